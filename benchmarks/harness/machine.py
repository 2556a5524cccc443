"""The machine that measures, its limits, and the code that is measured."""

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from latentknn import _core, arrays
from latentknn.index import cosine_index


def machine(threads: int, packages: list[str]) -> dict[str, Any]:
    """Describe the machine and the packages of a measurement."""
    return {
        "date": today(),
        "processor": _processor_name(),
        "instruction sets": flags(),
        "processors": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def flags() -> list[str]:
    """Return the instruction sets of the processor that a search can use."""
    present = set(_cpuinfo("flags").split())
    return [
        flag
        for flag in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
        if flag in present
    ]


def searching_code() -> str:
    """Return a digest of what a search on processors runs through."""
    return digest_of([_core, cosine_index, arrays])


def digest_of(modules: Iterable[ModuleType]) -> str:
    """Return a digest of the files of modules, by which results of different builds are told apart."""
    digest = hashlib.sha256()
    for module in modules:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


def measured_limits(threads: int) -> dict[str, float]:
    """Measure what this machine gives at most: Gop/s of multiply-adds, GB/s of reading memory."""
    program = Path(_limits_folder().name) / "peak"
    answer = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True)
    limits: dict[str, float] = json.loads(answer.stdout)
    return limits


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
