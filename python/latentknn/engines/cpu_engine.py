"""The engine of the processor: the compute core of this project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        """Return the instruction sets that there are kernels for, and those that the system refuses."""
        return ", ".join(_core.available_isas() + _core.refused_isas())

    def make_database(self, dim: int, strategy: str) -> Database:
        """Return an empty database of the core."""
        return CpuDatabase(self, _core.Database(dim, strategy))


class CpuDatabase(_core.Database, ReadsHostArrays):
    """The core's database, beside its engine.

    It never changes once others search it: a change makes another one, which shares the rows that stay.

    Parameters
    ----------
    engine : Engine
    rows : Database of the core
        Whose rows this one shares.
    """

    changes_itself = False

    def __init__(self, engine: Engine, rows: _core.Database) -> None:
        super().__init__(rows)
        self.engine = engine

    @classmethod
    def made_of(cls, databases: Sequence[CpuDatabase], numbered: bool) -> CpuDatabase:
        """Return a database of the rows of several, at least one, whose memory it shares; it is for searches.

        Parameters
        ----------
        databases : sequence of CpuDatabase
            In the order of their rows, all of the same dimension.
        numbered : bool
            Whether the ids of each are its positions, and those of the whole are positions again; else ids
            stay.
        """
        return cls(databases[0].engine, _core.Database.joined(databases, numbered))

    @property
    def version(self) -> object:
        """The database itself."""
        return self

    def changed(
        self, gone: NDArray[np.int64], rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int
    ) -> CpuDatabase:
        """Return another database, without some rows and with others behind."""
        other = CpuDatabase(self.engine, self)
        other.change(gone, rows, ids, threads)
        return other

    def filled(
        self,
        count: int,
        write: Callable[[NDArray[np.float32]], None],
        ids: NDArray[np.int64] | None,
        threads: int,
    ) -> CpuDatabase:
        """Return another database, of rows that a function writes to its memory."""
        other = CpuDatabase(self.engine, self)
        other.fill(count, write, ids, threads)
        return other

    def compacted(self, threads: int) -> CpuDatabase:
        """Return another database, whose rows are packed together."""
        other = CpuDatabase(self.engine, self)
        other.compact(threads)
        return other

    def snapshot(self) -> CpuDatabase:
        """Return the database itself."""
        return self
