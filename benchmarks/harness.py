"""Paired, repeated timing, the machine's description and the files that a benchmark writes."""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_REST_SECONDS = 0.05  # between runs: idle OpenMP workers of a peer spin for a while before they sleep


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def paired_times(
    runs: Mapping[str, Callable[[Any], object]], make_input: Callable[[int], Any], rounds: int
) -> dict[str, list[float]]:
    """Time every run once a round, on the round's own input, starting each round with another one."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for round_number in range(rounds + 1):
        given = make_input(round_number)
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(_REST_SECONDS)
            began = time.perf_counter()
            runs[name](given)
            took = time.perf_counter() - began
            if round_number > 0:  # the first round warms up
                times[name].append(took)
    return times


def ratios(of: list[float], over: list[float]) -> Spread:
    """How many times faster `over` ran than `of`, pair by pair."""
    return Spread.of([slow / fast for slow, fast in zip(of, over, strict=True)])


def measured_peak(threads: int) -> dict[str, float]:
    """Gop/s of register-only multiply-add loops on this machine, by arithmetic."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        source = HERE / "peak.cpp"
        compiler = os.environ.get("CXX", "g++")
        subprocess.run(
            [compiler, "-std=c++20", "-O3", "-march=native", "-pthread", str(source), "-o", str(program)],
            check=True,
        )
        answer = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True)
    peak: dict[str, float] = json.loads(answer.stdout)
    return peak


def machine(threads: int, packages: list[str]) -> dict[str, Any]:
    """Describe what a measurement ran on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor_name(),
        "instruction sets": _flags(),
        "processors": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def write_json(name: str, content: Mapping[str, Any]) -> Path:
    """Write a benchmark's results beside it."""
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _cpuinfo(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _processor_name() -> str:
    family, model = _cpuinfo("cpu family"), _cpuinfo("model\t")
    return f"{_cpuinfo('model name')} (family {family}, model {model})"


def _flags() -> list[str]:
    present = set(_cpuinfo("flags").split())
    return [
        flag
        for flag in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16")
        if flag in present
    ]
