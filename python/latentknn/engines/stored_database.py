"""Base of the engines that search elsewhere than in the core: they keep the rows on the host too."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import NO_ROW, Answer, Ranges, ReadsHostArrays
from latentknn.engines.engine import Engine
from latentknn.locks import ForkAwareLock


class HostRows:
    """Rows on the host, which snapshots of a database share: packed once, they are packed for all of them.

    Parameters
    ----------
    rows : Database of the core
    """

    def __init__(self, rows: _core.Database) -> None:
        self.rows = rows
        self._lock = ForkAwareLock()

    def screened(self, threads: int) -> _core.Database:
        """Pack the rows if there is memory for it, and return them."""
        with self._lock:
            if self.rows.strategy == "float64":
                try:
                    screened = _core.Database(self.rows.dim, "auto")
                    screened.add(self.rows.rows(), self.rows.own_ids(), threads)
                except MemoryError:
                    return self.rows
                self.rows = screened
            return self.rows


class StoredDatabase(ReadsHostArrays, ABC):
    """Rows of an engine, and the same on the host: for saving, and for what the engine cannot answer.

    The database changes itself. Where a change is broken off, or rows are removed, the engine's rows,
    whatever they are, follow those on the host before they are used again. Searches of several threads go on
    one after the other.

    Parameters
    ----------
    engine : Engine
    dim : int
        Dimensions of a row.
    """

    arithmetic: str
    changes_itself = True
    screened_dims = 0

    def __init__(self, engine: Engine, dim: int) -> None:
        self.engine = engine
        self._stored = HostRows(_core.Database(dim, "float64"))
        # The ids of a store, as they were last asked for.
        self._ids_of: tuple[_core.Database, NDArray[np.int64]] | None = None
        self._engine_rows: Any = self._make()
        self._current = True
        self._queries = 0
        self._lock = ForkAwareLock()

    def __len__(self) -> int:
        return len(self._store)

    @property
    def dim(self) -> int:
        """Dimensions of a row."""
        return self._store.dim

    @property
    @abstractmethod
    def isa(self) -> str:
        """What the kernels were made for."""

    @property
    @abstractmethod
    def strategy(self) -> str:
        """How the rows are searched."""

    @property
    def version(self) -> object:
        """An object that a change replaces with the rows on the host, and that their packing leaves."""
        return self._stored

    @property
    def _store(self) -> _core.Database:
        """The rows on the host."""
        return self._stored.rows

    @_store.setter
    def _store(self, rows: _core.Database) -> None:
        self._stored = HostRows(rows)

    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None:
        """Append rows."""
        self.changed(np.empty(0, np.int64), rows, ids, threads)

    def changed(
        self, gone: NDArray[np.int64], rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int
    ) -> Self:
        """Remove rows and append others, and return the database itself."""
        rounded = _core.round_rows(rows, "codes")
        with self._lock:
            store = _core.Database(self._store)
            store.change(gone, rounded, ids, threads)
            before = len(self)
            follows = len(gone) == 0
            if follows:
                # The engine may refuse the rows.
                engine_rows = self._ready(threads)
                self._current = False
                new_ids = np.arange(before, before + len(rounded)) if ids is None else ids
                self._append(engine_rows, rounded, new_ids, threads)
            self._current = False
            self._store = store
            self._current = follows
        return self

    def filled(
        self,
        count: int,
        write: Callable[[NDArray[np.float32]], None],
        ids: NDArray[np.int64] | None,
        threads: int,
    ) -> Self:
        """Append rows that a function writes, and return the database itself."""
        rows = np.empty((count, self.dim), np.float32)
        write(rows)
        return self.changed(np.empty(0, np.int64), rows, ids, threads)

    def compacted(self, threads: int) -> Self:
        """Pack the rows on the host together, and return the database itself."""
        with self._lock:
            store = _core.Database(self._store)
            store.compact(threads)
            self._store = store
        return self

    def snapshot(self) -> Self:
        """Return a database that shares the rows on the host; its first search makes those of the engine."""
        with self._lock:
            other = copy.copy(self)
            other._lock = ForkAwareLock()
            other._engine_rows = self._empty()
            other._current = False
        return other

    def own_ids(self) -> NDArray[np.int64] | None:
        """Return a copy of all ids; None while every id is its row's position."""
        return self._store.own_ids()

    def rows(self, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
        """Return a copy of the rows from ``first`` up to ``last``, by default of all, as they came."""
        return self._store.rows(first, last)

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from; what is looked at is not counted."""
        return {
            "strategy": self.strategy,
            "arithmetic": self.arithmetic,
            "rows": len(self),
            "screened_dims": self.screened_dims,
            "unscreened_rows": 0,
            "considered": [],
            "queries": self._queries,
            "placement": self._placement(),
            "repeats": self._repeats(),
            "screened_rows": None,
            "finer_rows": None,
            "scored_rows": None,
        }

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
        at_least: NDArray[np.float64] | None = None,
    ) -> Answer:
        """Find each query's k best rows."""
        rounded = self._rounded(queries)
        with self._lock:
            check_flags(allowed, len(self))
            available = len(self) if allowed is None else int(np.count_nonzero(allowed))
            if k > available:
                raise ValueError(f"k must be from 1 to {available}, the codes left by now, received {k}")
            self._queries += len(rounded)
            if at_least is None:
                return self._find(rounded, k, allowed, threads, scores64)
            found = self._find(rounded, k, allowed, threads, True)
            return _reaching(at_least, found, scores64)

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others."""
        with self._lock:
            if k >= len(self):
                raise ValueError(f"k must be below {len(self)}, the codes left by now, received {k}")
            self._queries += len(self)
            return self._find_others(k, threads, scores64)

    def search_range(
        self,
        queries: Any,
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
        by_similarity: bool,
        scores64: bool,
        most: int,
    ) -> Ranges:
        """Find all rows whose similarity is at least a query's own; the host does."""
        rows = self._screened_rows(threads, len(queries))
        return rows.search_range(
            self._on_host(queries), at_least, allowed, threads, by_similarity, scores64, most
        )

    def count_range(
        self,
        queries: Any,
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> NDArray[np.int64]:
        """Count the rows whose similarity is at least a query's own; the host does."""
        rows = self._screened_rows(threads, len(queries))
        return rows.count_range(self._on_host(queries), at_least, allowed, threads)

    def search_range_behind(
        self, first: int, last: int, at_least: float, threads: int, by_similarity: bool, most: int
    ) -> Ranges:
        """Find all rows of at least a similarity to each row of some positions, behind it; the host does."""
        rows = self._screened_rows(threads, last - first)
        return rows.search_range_behind(first, last, at_least, threads, by_similarity, most)

    def _screened_rows(self, threads: int, queries: int) -> _core.Database:
        """Return the rows on the host, packed if there is memory for it, for so many queries."""
        with self._lock:
            self._queries += queries
            return self._stored.screened(threads)

    def _on_host(self, queries: Any) -> NDArray[Any]:
        """Return queries, copied to the host if they are elsewhere."""
        return np.asarray(queries)

    def _rounded(self, queries: NDArray[Any]) -> NDArray[np.float32]:
        """Return queries as float32, all of them finite, or raise ValueError."""
        return _core.round_rows(queries, "queries")

    def _placement(self) -> str:
        """Say where the rows are, if there is a choice."""
        return ""

    def _repeats(self) -> str:
        """Say how many queries were searched more than once, if any."""
        return ""

    def _known_ids(self) -> NDArray[np.int64]:
        """Return all ids, which are not to be changed."""
        if self._ids_of is None or self._ids_of[0] is not self._store:
            ids = self._store.own_ids()
            self._ids_of = self._store, np.arange(len(self), dtype=np.int64) if ids is None else ids
        return self._ids_of[1]

    def _ready(self, threads: int) -> Any:
        """Return the engine's rows, the same as those on the host."""
        if not self._current:
            self._engine_rows = self._remake(self._engine_rows, threads)
            self._current = True
        return self._engine_rows

    @abstractmethod
    def _make(self) -> Any:
        """Return no rows of the engine yet."""

    def _empty(self) -> Any:
        """Return no rows of the engine, which `_remake` can fill for another database."""
        return self._make()

    @abstractmethod
    def _remake(self, engine_rows: Any, threads: int) -> Any:
        """Return the engine's rows as they are on the host, whatever they are now."""

    @abstractmethod
    def _append(
        self, engine_rows: Any, rows: NDArray[np.float32], ids: NDArray[np.int64], threads: int
    ) -> None:
        """Append to the engine's rows; they are made again if it throws."""

    @abstractmethod
    def _find(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
    ) -> Answer:
        """Find each query's k best rows."""

    @abstractmethod
    def _find_others(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others."""


def check_flags(allowed: NDArray[np.uint8] | None, count: int) -> None:
    """Raise ValueError unless there is a flag for each row; another thread may have removed some."""
    if allowed is not None and len(allowed) != count:
        raise ValueError(f"allowed must have one flag for each of the {count} rows, received {len(allowed)}")


def others_of(positions: NDArray[np.int64], own: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return a mask of neighbours (M, k + 1) that leaves out each row itself, or else the last one."""
    others = np.not_equal(positions, own[:, np.newaxis])
    others[others.all(axis=1), -1] = False
    return others


def others_alone(answer: Answer, own: NDArray[np.intp]) -> Answer:
    """Return the k best others of rows, (M, k), from their answers (M, k + 1) as queries.

    Among the best k + 1 of a row are its best k others, in their order, whether itself is there or not.
    """
    similarities, positions, ids, scores = answer
    others = others_of(positions, own)
    shape = (len(positions), positions.shape[1] - 1)
    return (
        similarities[others].reshape(shape),
        positions[others].reshape(shape),
        ids[others].reshape(shape),
        None if scores is None else scores[others].reshape(shape),
    )


def _reaching(at_least: NDArray[np.float64], answer: Answer, scores64: bool) -> Answer:
    """Return an answer without the neighbours that do not reach a query's similarity."""
    similarities, positions, ids, scores = answer
    assert scores is not None
    missing = scores < at_least[:, np.newaxis]
    similarities[missing] = scores[missing] = -np.inf
    positions[missing] = ids[missing] = NO_ROW
    return similarities, positions, ids, scores if scores64 else None
