"""The rows of an engine and their search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows

if TYPE_CHECKING:
    from latentknn.engines.engine import Engine

Answer = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64] | None]
"""Similarities, positions, ids and, where asked for, float64 similarities, each (M, k)."""

Ranges = tuple[
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64] | None,
]
"""Where each query's rows begin, (M + 1,); then, of all rows that were found: similarities, positions, ids
and, where asked for, float64 similarities."""

NO_ROW = -1
"""Position and id of a neighbour that there is not."""


class Database(Protocol):
    """Owned rows and their search, as every engine has them.

    Rows are what ``arrays.as_rows`` returns, queries what `as_queries` does. A change happens whole or not at
    all. One thread at a time may change a database, while others search it: a search sees it before the
    change or after.

    Examples
    --------
    >>> from latentknn.engines import Database, make_database
    >>> database: Database = make_database("cpu", 4, "auto")
    >>> len(database), database.dim, database.engine.name
    (0, 4, 'cpu')
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def engine(self) -> Engine:
        """The engine that searches."""

    @property
    def dim(self) -> int:
        """Dimensions of a row."""

    @property
    def isa(self) -> str:
        """What the kernels were made for."""

    @property
    def strategy(self) -> str:
        """How the rows are searched."""

    changes_itself: bool
    """Whether a change is one of the database itself; else it makes another one."""

    @property
    def version(self) -> object:
        """An object that stays the same until the database changes itself."""

    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None:
        """Append rows, with ids if rows have ids of their own; nobody else uses the database yet."""

    def changed(
        self, gone: NDArray[np.int64], rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int
    ) -> Database:
        """Return a database without the rows at some positions, and with others behind those that stay.

        It is another one, or this one, which has changed itself then.

        Parameters
        ----------
        gone : ndarray of shape (m,), int64
            Positions of rows that go, ascending.
        rows : ndarray of shape (n, dim)
            Rows that come.
        ids : ndarray of shape (n,), int64, or None
            Their ids, if rows have ids of their own.
        threads : int
        """

    def filled(
        self,
        count: int,
        write: Callable[[NDArray[np.float32]], None],
        ids: NDArray[np.int64] | None,
        threads: int,
    ) -> Database:
        """Return a database of rows that a function writes; this one has none, and nobody else uses it yet.

        Parameters
        ----------
        count : int
            Number of the rows, at least one.
        write : callable
            Gets an array of shape (count, dim), float32, which it fills and does not keep. Where it raises,
            this raises the same.
        ids : ndarray of shape (count,), int64, or None
            Their ids, if rows have ids of their own; looked at after the rows have been written.
        threads : int

        Raises
        ------
        ValueError
            For NaN or infinity among the rows.
        """

    def compacted(self, threads: int) -> Database:
        """Return a database of the same rows in the least memory: another one, or this one."""

    def snapshot(self) -> Database:
        """Return a database of the rows as they are now, which no change of this one reaches."""

    def own_ids(self) -> NDArray[np.int64] | None:
        """Return a copy of all ids; None while every id is its row's position."""

    def rows(self, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
        """Return a copy of the rows from ``first`` up to ``last``, by default of all."""

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from."""

    def as_queries(self, values: ArrayLike, on_device: bool) -> tuple[Any, int | None]:
        """Return queries as `search` takes them, and the device where their answers are wanted, or None.

        Parameters
        ----------
        values : array-like of shape (M, dim)
            What users pass.
        on_device : bool
            Whether answers are wanted on a device.

        Raises
        ------
        TypeError, ValueError
            For what are no queries, or where answers cannot be on a device.
        """

    def search(
        self,
        queries: Any,
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
        at_least: NDArray[np.float64] | None = None,
    ) -> Answer:
        """Find each query's k best rows among those whose similarity is at least a query's own."""

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others."""

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
        """Find all rows whose similarity is at least a query's own, sorted by the contract or by position.

        Raises
        ------
        TooManyFoundError
            Of the core, for more than `most` rows in all.
        EngineRequestError
            Where the engine cannot, here and below.
        """

    def count_range(
        self,
        queries: Any,
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> NDArray[np.int64]:
        """Count the rows whose similarity is at least a query's own."""

    def search_range_behind(
        self, first: int, last: int, at_least: float, threads: int, by_similarity: bool, most: int
    ) -> Ranges:
        """Find all rows of at least a similarity to each row of some positions, among those behind it."""

    def placed(self, answer: Answer, device: int | None) -> Any:
        """Return an answer where it is wanted: on the device that `as_queries` named, or on the host."""


class ReadsHostArrays:
    """Base of databases whose queries and answers are on the host."""

    engine: Engine

    @property
    def dim(self) -> int:
        """Dimensions of a row, which the database itself knows."""
        raise NotImplementedError

    def as_queries(self, values: ArrayLike, on_device: bool) -> tuple[Any, int | None]:
        """Return queries as an array of the host."""
        if on_device:
            raise ValueError(
                f"on_device=True needs engine='cuda', and the index has engine={self.engine.name!r}"
            )
        return as_rows(values, "queries", self.dim), None

    def placed(self, answer: Answer, device: int | None) -> Any:
        """Return an answer as it is."""
        return answer
