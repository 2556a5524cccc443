"""What an engine is to an index."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Answer = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64] | None]
"""Similarities, positions, ids and, where asked for, float64 similarities, each (M, k)."""


class Database(Protocol):
    """Owned rows and their search, as ``_core.Database`` has it and every engine must.

    Rows and queries are what ``arrays.as_rows`` returns. A change happens whole or not at all.
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def dim(self) -> int:
        """Dimensions of a row."""

    @property
    def isa(self) -> str:
        """What the kernels were made for."""

    @property
    def strategy(self) -> str:
        """How the rows are searched."""

    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None:
        """Append rows, with ids if rows have ids of their own."""

    def keep(self, flags: NDArray[np.uint8], threads: int) -> None:
        """Remove the rows whose flag is zero."""

    def rows(self) -> NDArray[np.float32]:
        """Return a copy of all rows."""

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from."""

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
    ) -> Answer:
        """Find each query's k best rows."""

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others."""
