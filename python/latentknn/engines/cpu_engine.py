"""The engine of the processor: the compute core of this project."""

from __future__ import annotations

from latentknn import _core
from latentknn.engines.database import Database, ReadsHostArrays
from latentknn.engines.engine import Engine


class CpuEngine(Engine):
    """The core on this processor, with the best kernels that it has."""

    exact = True
    has_strategies = True

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "cpu"

    def kernels(self) -> str:
        """Return the instruction sets that there are kernels for."""
        return ", ".join(_core.available_isas())

    def make_database(self, dim: int, strategy: str) -> Database:
        """Return an empty database of the core."""
        return CpuDatabase(self, dim, strategy)


class CpuDatabase(_core.Database, ReadsHostArrays):
    """The core's database, beside its engine."""

    def __init__(self, engine: Engine, dim: int, strategy: str) -> None:
        super().__init__(dim, strategy)
        self.engine = engine
