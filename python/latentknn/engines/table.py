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
"""What users name an engine by.

>>> import latentknn as lk
>>> from latentknn.engines import EngineLike
>>> chosen: EngineLike = "cpu"
>>> lk.CosineIndex(4, engine=chosen).engine
'cpu'
"""

ENGINES: MappingProxyType[str, Engine] = MappingProxyType(
    {each.name: each for each in (CpuEngine(), CudaEngine(), FaissEngine(), FaissEngine(gpu=True))}
)
"""Every engine by its name, which stands for it with its defaults.

>>> from latentknn.engines import ENGINES
>>> ENGINES["cpu"].exact
True
"""

NAMES = tuple(ENGINES)
"""The names of the engines, the first of which is always there.

>>> from latentknn.engines import NAMES
>>> NAMES
('cpu', 'cuda', 'faiss', 'faiss-gpu')
"""


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

    Examples
    --------
    >>> from latentknn.engines import find_engine
    >>> find_engine("cpu").exact
    True
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

    Examples
    --------
    >>> from latentknn.engines import make_database
    >>> len(make_database("cpu", 4, "auto"))
    0
    """
    return find_engine(engine, strategy).make_database(dim, strategy)


def availability() -> list[Availability]:
    """Say of every engine whether it can run here.

    Examples
    --------
    >>> from latentknn.engines import availability
    >>> [engine.name for engine in availability()]
    ['cpu', 'cuda', 'faiss', 'faiss-gpu']
    """
    return [engine.availability() for engine in ENGINES.values()]
