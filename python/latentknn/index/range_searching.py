"""Range searches of a database, as indexes of every kind make them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.array_likes import as_array
from latentknn.arrays import as_similarities
from latentknn.engines.database import Database
from latentknn.index.counts import positive
from latentknn.index.filtered_ranges import count_ranges, search_ranges
from latentknn.index.filters import Filter
from latentknn.index.range_results import RadiusResult, SimilarPairs

MOST_RESULTS = 2**26
"""Results of a search that does not say how many there may be; with what it needs then, up to 2.7 GiB."""


class TooManyResultsError(ValueError):
    """More codes are within the similarities than a search may find.

    Parameters
    ----------
    count : int
        How many there are.
    queries : int
        Of how many queries.
    most : int
        How many were allowed.
    """

    def __init__(self, count: int, queries: int, most: int) -> None:
        super().__init__(
            f"{count:,} codes are within the similarity of the {queries:,} queries, more than "
            f"max_results={most:,}: raise the similarity, search for fewer queries at a time (count_within "
            "counts the codes of each), or raise max_results if there is memory for so many"
        )
        self.count, self._queries, self._most = count, queries, most

    def __reduce__(self) -> tuple[type[TooManyResultsError], tuple[int, int, int]]:
        return type(self), (self.count, self._queries, self._most)


_PAIRS_AT_ONCE = 2**21
"""Pairs of a block, at most, unless a single code has more."""

_FIRST_ROWS, _MOST_ROWS = 2**12, 2**16
"""Codes whose pairs are looked for together, at first and at most."""

_COPIED_BYTES = 2**25
"""Bytes of the copies of these codes, at most, unless a single one has more."""


def as_thresholds(similarity: ArrayLike, queries: int) -> NDArray[np.float64]:
    """Return the similarity that each query asks for, or raise TypeError or ValueError."""
    values = as_array(similarity, "similarity")
    alone = values.ndim == 0
    thresholds = as_similarities(
        values.reshape(1) if alone else values, "similarity", 1 if alone else queries
    )
    if (thresholds < -1.0).any():
        query = int((thresholds < -1.0).argmax())
        raise ValueError(
            "similarity must be at least -1, as similarities are, "
            f"received {thresholds[query]} for query {query}"
        )
    return np.repeat(thresholds, queries) if alone else thresholds


def search_radius(
    database: Database,
    queries: Any,
    thresholds: NDArray[np.float64],
    chosen: Filter | None,
    threads: int,
    sort: bool,
    scores64: bool,
    max_results: int,
) -> RadiusResult:
    """Find all rows within a query's similarity; ValueError where they are more than `max_results`."""
    most = min(positive(max_results, "max_results"), sys.maxsize)
    try:
        ends, similarities, positions, ids, scores = search_ranges(
            database, queries, thresholds, chosen, threads, sort, scores64, most
        )
    except _core.TooManyFoundError:
        counts = count_ranges(database, queries, thresholds, chosen, threads)
        raise TooManyResultsError(int(counts.sum()), len(thresholds), most) from None
    return RadiusResult(ends, similarities, ids, positions, scores)


def pairs_above(
    database: Database, ids: NDArray[np.int64] | None, threshold: float, threads: int
) -> Iterator[SimilarPairs]:
    """Yield all pairs of rows of at least a similarity, as many blocks as are not empty.

    Parameters
    ----------
    database : Database
        Which does not change.
    ids : ndarray of shape (n,), int64, or None
        The ids of the rows; None where they are the positions.
    threshold : float
    threads : int
    """
    most_rows = max(1, min(_MOST_ROWS, _COPIED_BYTES // (4 * database.dim)))
    first, rows = 0, min(_FIRST_ROWS, most_rows)
    while first < len(database):
        last = min(first + rows, len(database))
        most = _PAIRS_AT_ONCE if last - first > 1 else len(database)
        try:
            ends, similarities, positions, others, _ = database.search_range_behind(
                first, last, threshold, threads, True, most
            )
        except _core.TooManyFoundError:
            rows = max(1, (last - first) // 4)
            continue
        if len(similarities) > 0:
            earlier = np.repeat(np.arange(first, last), np.diff(ends))
            of_earlier = earlier if ids is None else ids[earlier]
            yield SimilarPairs(
                similarities,
                np.stack([of_earlier, others], axis=1),
                np.stack([earlier, positions], axis=1),
            )
        first = last
        if len(similarities) < _PAIRS_AT_ONCE // 8:
            rows = min(2 * rows, most_rows)
