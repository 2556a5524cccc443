"""Queries that several shards are asked for, and what has been found for them so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.database import NO_ROW
from latentknn.index import SearchResult
from latentknn.shards.merging import may_hold_more, merge

Which = slice | NDArray[np.intp]
"""Some queries of a block, or all."""

ALL = slice(None)


class Asking:
    """A block of queries and their k best neighbours so far.

    Parameters
    ----------
    queries : ndarray of shape (M, d), float32
    k : int
    at_least : ndarray of shape (M,), float64, optional
        Similarities that neighbours have at least.
    home : int, optional
        The shard that the queries are rows of, if they are rows of one.
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        k: int,
        at_least: NDArray[np.float64] | None = None,
        home: int | None = None,
    ) -> None:
        self.queries = queries
        self.home = home
        shape = (len(queries), k)
        self._scores = np.full(shape, -np.inf)
        self._similarities = np.full(shape, -np.inf, np.float32)
        self._positions, self._ids = (np.full(shape, NO_ROW, np.int64) for _ in range(2))
        self._at_least = at_least

    def lowest(self, which: Which) -> NDArray[np.float64]:
        """Return the similarity that further neighbours of some queries must have at least."""
        known = self._scores[which, -1]
        return known if self._at_least is None else np.maximum(known, self._at_least[which])

    def add(self, which: Which, found: SearchResult) -> None:
        """Add neighbours of some queries that were not added before; a query stands in `which` once."""
        merged = merge(self._part(which), found, self._ids.shape[1])
        self._similarities[which], self._ids[which] = merged.similarities, merged.ids
        self._positions[which], self._scores[which] = merged.positions, merged.scores

    def may_gain(self, which: NDArray[np.intp], last: SearchResult) -> NDArray[np.intp]:
        """Return for which of some queries a shard may have more, by the last neighbours that it gave."""
        return which[may_hold_more(last, self._part(which))]

    def found(self, scores64: bool) -> SearchResult:
        """Return the best neighbours of all queries, with float64 similarities or without."""
        scores = self._scores if scores64 else None
        return SearchResult(self._similarities, self._ids, self._positions, scores)

    def _part(self, which: Which) -> SearchResult:
        return SearchResult(
            self._similarities[which], self._ids[which], self._positions[which], self._scores[which]
        )
