"""The table of engines: whatever lists them, or finds one by its name, reads it here."""

from __future__ import annotations

from types import MappingProxyType

from latentknn.engines.automatic import AutomaticEngine
from latentknn.engines.cpu_engine import CpuEngine
from latentknn.engines.cuda_engine import CudaEngine
from latentknn.engines.database import Database
from latentknn.engines.engine import Availability, Engine
from latentknn.engines.faiss_engine import FaissEngine

EngineLike = str | Engine
"""What users name an engine by."""

ENGINES: MappingProxyType[str, Engine] = MappingProxyType(
    {each.name: each for each in (CpuEngine(), CudaEngine(), FaissEngine(), FaissEngine(gpu=True))}
)
"""Every engine by its name, which stands for it with its defaults."""

NAMES = tuple(ENGINES)


def find_engine(engine: EngineLike, strategy: str = "auto") -> Engine:
    """Return an engine that users named, or passed.

    Parameters
    ----------
    engine : str or Engine
        "auto" is the processor until there are many codes; see `automatic`.
    strategy : str
        Screening strategy; "auto" for engines without any. One that is named keeps codes on the processor.

    Raises
    ------
    ValueError
        For an unknown engine, or a strategy that the engine does not have.
    """
    if engine == "auto":
        return AutomaticEngine() if strategy == "auto" else ENGINES["cpu"]
    found = ENGINES.get(engine) if isinstance(engine, str) else engine
    if strategy != "auto" and not (isinstance(found, Engine) and found.has_strategies):
        raise ValueError(f"strategy={strategy!r} is one of the engine 'cpu', not of {engine!r}")
    if isinstance(found, Engine):
        return found
    raise ValueError(
        f"unknown engine {engine!r}; choose one of auto, {', '.join(ENGINES)}, or pass a CudaEngine or a "
        "FaissEngine"
    )


def make_database(engine: EngineLike, dim: int, strategy: str) -> Database:
    """Return an empty database of an engine that users named, or passed.

    Raises
    ------
    ImportError, RuntimeError
        Where what a named engine needs is missing; nothing else takes its place.
    ValueError
        As `find_engine`, or for settings that the engine does not have.
    """
    return find_engine(engine, strategy).make_database(dim, strategy)


def availability() -> list[Availability]:
    """Say of every engine whether it can run here."""
    return [engine.availability() for engine in ENGINES.values()]
