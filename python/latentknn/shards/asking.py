"""Queries that several shards are asked for, and what has been found for them so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.database import NO_ROW, Answer
from latentknn.index import SearchResult
from latentknn.shards.merging import may_hold_more, merge
from latentknn.shards.shard import Shard

Which = slice | NDArray[np.intp]
"""Some queries of a block, or all."""

ALL = slice(None)


class Asking:
    """Some queries and their k best neighbours so far; `of_queries` and `of_codes` make one.

    Parameters
    ----------
    count : int
        Number of queries, M.
    queries : callable
        Returns them, shape (M, d), float32.
    k : int
    at_least : ndarray of shape (M,), float64, optional
        Similarities that neighbours have at least.
    home : int, optional
        The shard that the queries are the codes of, if they are those of one.
    """

    def __init__(
        self,
        count: int,
        queries: Callable[[], NDArray[np.float32]],
        k: int,
        at_least: NDArray[np.float64] | None = None,
        home: int | None = None,
    ) -> None:
        self.count = count
        self.queries = queries
        self.home = home
        shape = (count, k)
        self._scores = np.full(shape, -np.inf)
        self._similarities = np.full(shape, -np.inf, np.float32)
        self._positions, self._ids = (np.full(shape, NO_ROW, np.int64) for _ in range(2))
        self._at_least = at_least

    @classmethod
    def of_queries(
        cls, queries: NDArray[np.float32], k: int, at_least: NDArray[np.float64] | None = None
    ) -> Self:
        """Return what is asked for queries in memory."""
        return cls(len(queries), lambda: queries, k, at_least)

    @classmethod
    def of_codes(cls, shard: Shard, number: int, k: int) -> Self:
        """Return what is asked for the codes of a shard, which are read each time that they are needed."""
        return cls(len(shard), shard.codes, k, home=number)

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
        similarities, positions, ids, scores = self.answer(scores64)
        return SearchResult(similarities, ids, positions, scores)

    def answer(self, scores64: bool) -> Answer:
        """Return the same as databases give it."""
        return self._similarities, self._positions, self._ids, self._scores if scores64 else None

    def _part(self, which: Which) -> SearchResult:
        return SearchResult(
            self._similarities[which], self._ids[which], self._positions[which], self._scores[which]
        )
