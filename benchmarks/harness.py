"""Paired, repeated timing, the machine's description and limits, and the files that a benchmark writes."""

import hashlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import latentknn as lk
from latentknn import arrays, datasets, index
from latentknn.atomic_file import atomic_file

RESULTS = Path(__file__).parent / "results"
CACHE = datasets.cache_folder("fashion_mnist").parents[1] / "benchmarks"  # what is trained once on a machine
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
    runs: Mapping[str, Callable[[Any], Any]],
    make_input: Callable[[int], Any],
    rounds: int,
    check: Callable[[str, int, Any], None] = lambda name, round_number, answer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time every run once a round, on the round's own input, starting each round with another one.

    `check` gets every answer, untimed.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for round_number in range(rounds + 1):
        given = make_input(round_number)
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(_REST_SECONDS)
            began = clock()
            answer = runs[name](given)
            took = clock() - began
            check(name, round_number, answer)
            del answer
            if round_number > 0:  # the first round warms up
                times[name].append(took)
    return times


def ratios(of: list[float], over: list[float]) -> Spread:
    """How many times faster `over` ran than `of`, pair by pair."""
    return Spread.of([slow / fast for slow, fast in zip(of, over, strict=True)])


def measured_limits(threads: int) -> dict[str, float]:
    """Measure what this machine gives at most: Gop/s of multiply-adds, GB/s of reading memory."""
    program = Path(_limits_folder().name) / "peak"
    answer = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True)
    limits: dict[str, float] = json.loads(answer.stdout)
    return limits


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, which starts from nothing and ends with the call."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def machine(threads: int, packages: list[str]) -> dict[str, Any]:
    """Describe what a measurement ran on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor_name(),
        "instruction sets": flags(),
        "processors": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def searching_code() -> str:
    """Return a digest of what a search runs through, by which results of different builds are told apart."""
    digest = hashlib.sha256()
    for module in (lk._core, index, arrays):
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


def write_json(name: str, content: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write a benchmark's results, whole or not at all."""
    path = folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
    return path


class Results:
    """A benchmark's records, kept after each, so that a run that was killed goes on where it stopped.

    Raises SystemExit where the records are of another machine, build or setting (anything in `about` but the
    date): hours of work are not written over unasked.
    """

    def __init__(self, name: str, about: Mapping[str, Any], folder: Path) -> None:
        self._name, self._folder = name, folder
        self.about = dict(about)
        self.cases: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, dict[str, Any]] = {}
        path = folder / f"{name}.json"
        if path.is_file():
            earlier = json.loads(path.read_text())
            if earlier["about"] | {"date": about["date"]} != about:
                raise SystemExit(
                    f"{path} is of another machine, build or setting: delete it to measure anew, or name "
                    "another folder by --results"
                )
            self.about, self.cases, self.lines = earlier["about"], earlier["cases"], earlier["lines"]

    def keep(self) -> None:
        write_json(self._name, {"about": self.about, "cases": self.cases, "lines": self.lines}, self._folder)


@cache
def _limits_folder() -> tempfile.TemporaryDirectory[str]:
    """Build the program that measures the limits, in a folder that goes when this process ends."""
    folder = tempfile.TemporaryDirectory()
    source = Path(__file__).parent / "peak.cpp"
    options = ["-std=c++20", "-O3", "-march=native", "-pthread"]
    compiler = os.environ.get("CXX", "g++")
    subprocess.run([compiler, *options, str(source), "-o", f"{folder.name}/peak"], check=True)
    return folder


def _cpuinfo(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _processor_name() -> str:
    family, model = _cpuinfo("cpu family"), _cpuinfo("model\t")
    return f"{_cpuinfo('model name')} (family {family}, model {model})"


def flags() -> list[str]:
    """Return the instruction sets of the processor that a search can use."""
    present = set(_cpuinfo("flags").split())
    return [
        flag
        for flag in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
        if flag in present
    ]
