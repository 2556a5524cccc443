"""The results of the CUDA engine's programmes, in gpu.json, and what they are of."""

from importlib import metadata
from pathlib import Path

from benchmarks.harness.machine import digest_of, today
from benchmarks.harness.results import Results
from latentknn import _core, _cuda, engines
from latentknn.engines import cuda_engine, stored_database
from latentknn.index import cosine_index


def open_results(folder: Path, scale: float) -> Results:
    """Return the results in a folder, to which more can be added; SystemExit where they are of other code."""
    return Results("gpu", about(scale), folder)


def about(scale: float) -> dict[str, str]:
    """Return what a measurement is of; SystemExit where there is no device."""
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    if not cuda.available:
        raise SystemExit(cuda.missing)
    return {
        "date": today(),
        "device": cuda.kernels,
        "torch": metadata.version("torch"),
        "build": digest_of([_core, _cuda, cuda_engine, stored_database, cosine_index]),
        "rehearsal": "" if scale == 1 else f"a rehearsal, sizes times {scale}: its times mean nothing",
    }
