"""Neighbours of some codes of an index among all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentknn.distributed.calls import Calls
from latentknn.distributed.rounds import ask_by_codes
from latentknn.engines.database import NO_ROW
from latentknn.engines.stored_database import others_of
from latentknn.index import SearchResult

_FIRST_K = 32
"""Neighbours that are asked for first by similarity; where there may be more, twice as many are asked for."""


def nearest_others(calls: Calls, number: int, rows: slice, k: int) -> list[SearchResult]:
    """Return the k nearest others of each code of some rows of a shard, one result a code."""
    return _others(calls, number, rows, k, None)


def similar_others(calls: Calls, number: int, rows: slice, similarity: float) -> list[SearchResult]:
    """Return all others of at least a similarity, one result a code."""
    most = calls.serving.manifest.rows - 1
    k = min(_FIRST_K, most)
    while k > 0:
        found = _others(calls, number, rows, k, similarity)
        if k == most or all(len(each.ids) < k for each in found):
            return found
        k = min(2 * k, most)
    # An index of one code.
    return [SearchResult(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))]


def ids_of_rows(calls: Calls, number: int, rows: slice) -> NDArray[np.int64]:
    """Return the ids of some rows of a shard."""
    serving = calls.serving
    entry = serving.manifest.shards[number]
    if not serving.manifest.own_ids:
        return np.arange(entry.first, entry.first + entry.rows)[rows]
    home = next(group for group, numbers in enumerate(serving.groups) if number in numbers)
    ids = calls.ask("ids", {home: ()})[home].content[serving.groups[home].index(number)]
    chosen: NDArray[np.int64] = ids[rows]
    return chosen


def _others(calls: Calls, number: int, rows: slice, k: int, similarity: float | None) -> list[SearchResult]:
    entry = calls.serving.manifest.shards[number]
    own = np.arange(entry.first, entry.first + entry.rows)[rows]
    lowest = None if similarity is None else np.full(len(own), float(similarity))
    found = ask_by_codes(calls, number, rows, k + 1, lowest).found(False)
    present = others_of(found.positions, own) & (found.positions != NO_ROW)
    return [
        SearchResult(found.similarities[row][which], found.ids[row][which], found.positions[row][which])
        for row, which in enumerate(present)
    ]
