"""Range searches among codes that may be others for each query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import Database, Ranges
from latentknn.index.filters import Filter, Selection


def search_ranges(
    database: Database,
    queries: Any,
    thresholds: NDArray[np.float64],
    chosen: Filter | None,
    threads: int,
    by_similarity: bool,
    scores64: bool,
    most: int,
) -> Ranges:
    """Find all rows within a query's similarity, among those that it may find.

    Raises
    ------
    TooManyFoundError
        Of the core, for more than `most` rows in all.
    """
    if chosen is None or not chosen.per_query:
        flags = None if chosen is None else chosen.flags
        return database.search_range(queries, thresholds, flags, threads, by_similarity, scores64, most)
    rounded = _core.round_rows(queries, "queries")
    counts = np.zeros(len(rounded), np.int64)
    found: list[tuple[NDArray[np.intp], tuple[Any, ...]]] = []
    for selection in _selections(chosen):
        some = selection.queries
        ranges = database.search_range(
            rounded[some], thresholds[some], selection.flags, threads, by_similarity, scores64, most
        )
        most -= len(ranges[1])
        counts[some] = np.diff(ranges[0])
        found.append((some, ranges))
    ends = np.zeros(len(rounded) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    total = int(ends[-1])
    similarities, scores = np.empty(total, np.float32), np.empty(total) if scores64 else None
    positions, ids = np.empty(total, np.int64), np.empty(total, np.int64)
    wholes: tuple[NDArray[Any] | None, ...] = (similarities, positions, ids, scores)
    for some, (ends_of_some, *parts) in found:
        places = np.repeat(ends[some] - ends_of_some[:-1], counts[some]) + np.arange(ends_of_some[-1])
        for whole, part in zip(wholes, parts, strict=True):
            if whole is not None and part is not None:
                whole[places] = part
    return ends, similarities, positions, ids, scores


def count_ranges(
    database: Database,
    queries: Any,
    thresholds: NDArray[np.float64],
    chosen: Filter | None,
    threads: int,
) -> NDArray[np.int64]:
    """Count the rows within a query's similarity, among those that it may find."""
    if chosen is None or not chosen.per_query:
        return database.count_range(queries, thresholds, None if chosen is None else chosen.flags, threads)
    rounded = _core.round_rows(queries, "queries")
    counts = np.zeros(len(rounded), np.int64)
    for selection in _selections(chosen):
        some = selection.queries
        counts[some] = database.count_range(rounded[some], thresholds[some], selection.flags, threads)
    return counts


def _selections(chosen: Filter) -> Iterator[Selection]:
    return (selection for selection in chosen.selections() if selection.available > 0)
