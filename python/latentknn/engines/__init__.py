"""What can run a search: the core on the CPU, CUDA, or FAISS."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import ModuleType

from latentknn import _core
from latentknn.engines.cuda_engine import CudaDatabase, CudaEngine, import_cuda
from latentknn.engines.database import Database
from latentknn.engines.faiss_engine import (
    FAISS,
    FaissDatabase,
    FaissEngine,
    FaissRequestError,
    import_faiss,
)

NAMES = ("cpu", "cuda", *FAISS)

Engine = str | CudaEngine | FaissEngine
"""What names an engine."""

__all__ = [
    "NAMES",
    "Availability",
    "CudaDatabase",
    "CudaEngine",
    "Database",
    "Engine",
    "FaissEngine",
    "FaissRequestError",
    "availability",
    "make_database",
]


@dataclass(frozen=True)
class Availability:
    """Whether an engine can run here.

    Parameters
    ----------
    name : str
        The engine.
    exact : bool
        Whether its answers keep the exactness contract.
    kernels : str
        What its kernels were made for; empty where it cannot run.
    missing : str
        What is missing and what to do, empty where nothing is.
    """

    name: str
    exact: bool
    kernels: str
    missing: str

    @property
    def available(self) -> bool:
        """Whether it can run."""
        return not self.missing


def make_database(engine: Engine, dim: int, strategy: str) -> tuple[str, Database]:
    """Return the name of the engine that will run, and an empty database of it.

    Parameters
    ----------
    engine : str, CudaEngine or FaissEngine
        "auto" begins on the CPU; see `automatic`.
    dim : int
        Dimensions of a row.
    strategy : str
        Screening strategy of the engine "cpu"; "auto" for the others.

    Raises
    ------
    ImportError, RuntimeError
        Where what a named engine needs is missing; nothing else takes its place.
    ValueError
        For an unknown engine, or a strategy that the engine does not have.
    """
    if engine in ("auto", "cpu"):
        return "cpu", _core.Database(dim, strategy)
    if strategy != "auto":
        raise ValueError(f"strategy={strategy!r} is one of the engine 'cpu', not of {engine!r}")
    if isinstance(engine, str):
        engine = CudaEngine() if engine == "cuda" else FAISS.get(engine, engine)
    if isinstance(engine, CudaEngine):
        return engine.name, CudaDatabase(engine, dim)
    if isinstance(engine, FaissEngine):
        return engine.name, FaissDatabase(engine, dim)
    raise ValueError(
        f"unknown engine {engine!r}; choose one of auto, {', '.join(NAMES)}, or pass a CudaEngine or a "
        "FaissEngine"
    )


def _kernels_of_device(cuda: ModuleType, number: int, capability: tuple[int, int]) -> list[str]:
    """Return a device's capability and the instructions that multiply on it, if it can be asked."""
    kernels = ["sm_{}{}".format(*capability)]
    with contextlib.suppress(MemoryError, RuntimeError):  # others use it; it can be taken later
        kernels.append(cuda.products(number))
    return kernels


def availability() -> list[Availability]:
    """Say of every engine whether it can run here."""
    found = [Availability("cpu", True, ", ".join(_core.available_isas()), "")]
    try:
        cuda, usable = import_cuda()
        devices, _ = cuda.devices()
        described = ", ".join(
            "{} ({})".format(devices[number][0], ", ".join(_kernels_of_device(cuda, number, capability)))
            for number, capability in usable.items()
        )
        found.append(Availability("cuda", True, described, ""))
    except (ImportError, RuntimeError) as error:
        found.append(Availability("cuda", True, "", str(error)))
    for name, engine in FAISS.items():
        try:
            kernels = str(import_faiss(engine.gpu).get_compile_options()).strip()
            found.append(Availability(name, False, kernels, ""))
        except (ImportError, RuntimeError) as error:
            found.append(Availability(name, False, "", str(error)))
    return found
