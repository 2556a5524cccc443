"""Range searches of shards that are asked one by one, and the merge of what they find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.index.range_results import RadiusResult
from latentknn.index.range_searching import TooManyResultsError
from latentknn.shards.rounds import Part


class RangeSearchable(Protocol):
    """The methods of a `CosineIndex` by which a shard's ranges are searched."""

    def search_radius(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | None,
        sort: bool,
        scores64: bool,
        max_results: int,
    ) -> RadiusResult:
        """Find all codes within a similarity, as `CosineIndex.search_radius` does."""

    def count_within(
        self, queries: ArrayLike, similarity: ArrayLike, *, allowed: ArrayLike | None
    ) -> NDArray[np.int64]:
        """Count the codes within a similarity, as `CosineIndex.count_within` does."""


def ranges_of_parts(
    parts: Sequence[Part],
    queries: NDArray[np.float32],
    thresholds: NDArray[np.float64],
    sort: bool,
    most: int,
) -> RadiusResult:
    """Return all codes of the parts within the similarities, with `scores64`; one shard after the other.

    Raises
    ------
    RuntimeError
        For a shard that searches no ranges.
    TooManyResultsError
        For more than `most` codes, with their number; no more than `most` are in memory at once.
    """
    found, total = [], 0
    for part in parts:
        # Behind the first codes that are too many, the others are counted alone.
        one = _found_in(part, queries, thresholds, most - total) if total < most else None
        if isinstance(one, RadiusResult):
            found.append(one)
            total += len(one.ids)
        else:
            total += int(counts_of_part(part, queries, thresholds).sum()) if one is None else one
    if total > most:
        raise TooManyResultsError(total, len(queries), most)
    return merge_ranges(found, len(queries), sort)


def counts_of_parts(
    parts: Sequence[Part], queries: NDArray[np.float32], thresholds: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return how many codes of the parts are within each query's similarity."""
    counts = np.zeros(len(queries), np.int64)
    for part in parts:
        counts += counts_of_part(part, queries, thresholds)
    return counts


def counts_of_part(
    part: Part, queries: NDArray[np.float32], thresholds: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return how many codes of a shard are within each query's similarity."""
    with part.shard.searchable() as index:
        return _ranged(index).count_within(queries, thresholds, allowed=part.allowed)


def merge_ranges(found: Sequence[RadiusResult], queries: int, sort: bool) -> RadiusResult:
    """Return the codes of several answers of the same queries, in the order of one index.

    Parameters
    ----------
    found : sequence of RadiusResult
        Found among different codes, with `scores64` and positions in the whole index.
    queries : int
        Number of queries.
    sort : bool
        Whether the codes of a query are ordered by float64 similarity, descending, then by id, ascending;
        else by position.

    Returns
    -------
    RadiusResult
        With `scores64`.
    """
    counts = np.zeros(queries, np.int64)
    for each in found:
        counts += np.diff(each.indptr)
    ids = np.concatenate([np.empty(0, np.int64), *(each.ids for each in found)])
    positions = np.concatenate([np.empty(0, np.int64), *(each.positions for each in found)])
    similarities = np.concatenate([np.empty(0, np.float32), *(each.similarities for each in found)])
    scores = np.concatenate([np.empty(0, np.float64), *map(_scores, found)])
    of_query = np.concatenate([np.empty(0, np.int64), *map(_queries_of, found)])
    order = np.lexsort((ids, -scores, of_query) if sort else (positions, of_query))
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return RadiusResult(indptr, similarities[order], ids[order], positions[order], scores[order])


def _found_in(
    part: Part, queries: NDArray[np.float32], thresholds: NDArray[np.float64], most: int
) -> RadiusResult | int:
    """Return the codes of a shard within the similarities, or how many they are if more than `most`."""
    with part.shard.searchable() as index:
        try:
            one = _ranged(index).search_radius(
                queries, thresholds, allowed=part.allowed, sort=False, scores64=True, max_results=most
            )
        except TooManyResultsError as error:
            return error.count
    positions = one.positions + part.first
    ids = positions if part.numbered else one.ids
    return RadiusResult(one.indptr, one.similarities, ids, positions, one.scores64)


def _ranged(index: object) -> RangeSearchable:
    if not (hasattr(index, "search_radius") and hasattr(index, "count_within")):
        raise RuntimeError(
            f"a shard is a {type(index).__name__}, which searches no ranges: it has no search_radius and "
            "count_within, as a CosineIndex has"
        )
    searchable: RangeSearchable = index
    return searchable


def _scores(found: RadiusResult) -> NDArray[np.float64]:
    assert found.scores64 is not None
    return found.scores64


def _queries_of(found: RadiusResult) -> NDArray[np.int64]:
    """Return the query of each code."""
    return np.repeat(np.arange(len(found.indptr) - 1), np.diff(found.indptr))
