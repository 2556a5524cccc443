"""Searches that tell of their progress: they answer one piece of the queries after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import Answer, Database
from latentknn.engines.stored_database import others_alone
from latentknn.progress import Tell

_FIRST = 256
"""Queries of the first piece."""

_QUICK, _SLOW = 0.2, 0.8
"""Seconds of a piece below which the next one is twice as large, and above which it is half as large."""


def search_and_tell(
    database: Database,
    queries: Any,
    k: int,
    allowed: NDArray[np.uint8] | None,
    threads: int,
    scores64: bool,
    at_least: NDArray[np.float64] | None,
    tell: Tell,
) -> Answer:
    """Find each query's k best rows as `Database.search` does, and tell of the queries that are answered."""
    if not (database.engine.exact and isinstance(queries, np.ndarray)):
        tell(0, len(queries))
        answer = database.search(queries, k, allowed, threads, scores64, at_least)
        tell(len(queries), len(queries))
        return answer
    # A piece would name a query that is not finite by its place in the piece.
    rounded = _core.round_rows(queries, "queries")

    def search(first: int, last: int) -> Answer:
        lowest = None if at_least is None else at_least[first:last]
        return database.search(rounded[first:last], k, allowed, threads, scores64, lowest)

    return _in_pieces(search, len(rounded), tell)


def search_self_and_tell(database: Database, k: int, threads: int, scores64: bool, tell: Tell) -> Answer:
    """Find each row's k best others as `Database.search_self` does, and tell of the rows that are done."""
    if not database.engine.exact:
        tell(0, len(database))
        answer = database.search_self(k, threads, scores64)
        tell(len(database), len(database))
        return answer

    def search(first: int, last: int) -> Answer:
        found = database.search(database.rows(first, last), k + 1, None, threads, scores64)
        return others_alone(found, np.arange(first, last))

    return _in_pieces(search, len(database), tell)


def _in_pieces(search: Callable[[int, int], Answer], count: int, tell: Tell) -> Answer:
    """Return the answers to all queries, and tell before the first piece and after each.

    By the contract an answer is the same in whatever batch its query comes, so that a piece may be as large
    as the machine is fast.

    Parameters
    ----------
    search : callable
        Function of the first query of a piece and of the one behind its last that returns their answers.
    count : int
        Number of queries.
    tell : callable
    """
    pieces: list[Answer] = []
    done, size = 0, _FIRST
    tell(0, count)
    while done < count or not pieces:
        began = time.monotonic()
        last = min(done + size, count)
        pieces.append(search(done, last))
        seconds = time.monotonic() - began
        done = last
        tell(done, count)
        if seconds < _QUICK:
            size *= 2
        elif seconds > _SLOW:
            size = max(1, size // 2)
    similarities, positions, ids = (np.concatenate([piece[part] for piece in pieces]) for part in range(3))
    scores = [piece[3] for piece in pieces if piece[3] is not None]
    return similarities, positions, ids, np.concatenate(scores) if scores else None
