"""Range searches by FAISS: what it finds in float32, with a margin for its rounding, is scored exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import Ranges

_QUERIES_AT_ONCE = 64
"""Queries that FAISS is asked together, at most."""

_PAIRS_AT_ONCE = 2**22
"""Pairs that FAISS may find together: it holds them all."""

_SCORED_AT_ONCE = 2**14
"""Pairs of a query and a row that are scored together, with a copy of the query for each."""


class Found(NamedTuple):
    """Pairs of a query and a row that is in its range, in no order."""

    queries: NDArray[np.intp]
    positions: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Found:
        """Return no pairs."""
        return cls(np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.float64))


def check_count(count: int, most: int) -> None:
    """Raise the core's TooManyFoundError where more rows are in range than may be."""
    if count > most:
        raise _core.TooManyFoundError(f"more than {most} rows are in range")


def is_flat(index: Any) -> bool:
    """Return whether an index of FAISS compares queries with all rows as they are."""
    import faiss

    return type(faiss.downcast_index(index)) in (faiss.IndexFlat, faiss.IndexFlatIP)


class FlatRanges:
    """Finds rows by a flat index of FAISS, and scores them on the host.

    Similarities of FAISS are off by less than the margin: rounding the components of two vectors of length 1
    moves their product by at most 2.1 * 2^-24, and adding d products in any order by at most
    d * 2^-24 * (1 + d * 2^-24). The margin is twice as much and more, for each d below 2^22.

    Parameters
    ----------
    index : faiss.IndexFlat
        Of rows of length 1, by inner product.
    store : Database of the core
        The same rows.
    parameters : faiss.SearchParameters or None
        Which of them may be found.
    threads : int
    """

    def __init__(self, index: Any, store: _core.Database, parameters: Any, threads: int) -> None:
        self._index = index
        self._store = store
        self._parameters = parameters
        self._threads = threads
        self._margin = (store.dim + 16) * 2.0**-23

    def find(
        self,
        rows: NDArray[np.float32],
        units: NDArray[np.float32],
        at_least: NDArray[np.float64],
        most: int,
        first_row: int | None,
    ) -> Found:
        """Find all rows in range of each query, at least one; TooManyFoundError for more than `most`.

        Where the queries are the rows from `first_row` on, only rows behind each itself are found.
        """
        found, count = [], 0
        step = max(1, min(_QUERIES_AT_ONCE, _PAIRS_AT_ONCE // len(self._store)))
        for first in range(0, len(rows), step):
            last = min(first + step, len(rows))
            itself = None if first_row is None else first_row + first
            some = self._find_some(rows[first:last], units[first:last], at_least[first:last], itself)
            count += len(some.scores)
            check_count(count, most)
            found.append(some._replace(queries=some.queries + first))
        return Found(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))

    def _find_some(
        self,
        rows: NDArray[np.float32],
        units: NDArray[np.float32],
        at_least: NDArray[np.float64],
        first_row: int | None,
    ) -> Found:
        radius = float(at_least.min()) - self._margin
        limits, similarities, positions = self._index.range_search(units, radius, params=self._parameters)
        queries = np.repeat(np.arange(len(rows)), np.diff(limits.astype(np.int64)))
        likely = similarities >= at_least[queries] - self._margin
        if first_row is not None:
            likely &= positions > first_row + queries
        queries, positions = queries[likely], positions[likely].astype(np.int64)
        scores = np.empty(len(queries), np.float64)
        for begin in range(0, len(queries), _SCORED_AT_ONCE):
            some = slice(begin, begin + _SCORED_AT_ONCE)
            *_, exact = self._store.score(rows[queries[some]], positions[some, np.newaxis], 1, self._threads)
            assert exact is not None
            scores[some] = exact[:, 0]
        reached = scores >= at_least[queries]
        return Found(queries[reached], positions[reached], scores[reached])


def in_order(
    found: Found, query_count: int, ids: NDArray[np.int64], by_similarity: bool, scores64: bool
) -> Ranges:
    """Return what was found query by query, sorted by the contract or by position."""
    keys = (ids[found.positions], -found.scores) if by_similarity else (found.positions,)
    order = np.lexsort((*keys, found.queries))
    ends = np.zeros(query_count + 1, np.int64)
    np.cumsum(np.bincount(found.queries, minlength=query_count), out=ends[1:])
    scores, positions = found.scores[order], found.positions[order]
    similarities = scores.astype(np.float32) + np.float32(0)
    return ends, similarities, positions, ids[positions], scores if scores64 else None
