"""One answer of many shards' answers: functions of arrays, for whoever asks shards, wherever those are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import NO_ROW
from latentknn.engines.stored_database import others_alone
from latentknn.index import SearchResult


def first_ask(k: int, share: float) -> int:
    """Return for how many neighbours to ask a shard first: nearly always enough, if codes are in no order.

    Of k rows that were drawn from all, a shard with a share p of the rows holds more than kp + 4√(kp) + 2
    once in some ten thousand times.

    Parameters
    ----------
    k : int
        Neighbours of a query, of all shards together.
    share : float
        Share of the rows that the shard has.

    Returns
    -------
    int
        From 1 to k.

    Examples
    --------
    >>> first_ask(100, 1 / 4), first_ask(10, 1 / 4), first_ask(1, 1.0)
    (47, 10, 1)
    """
    expected = k * share
    return min(k, math.ceil(expected + 4 * math.sqrt(expected) + 2))


def placed(found: SearchResult, first: int, numbered: bool) -> SearchResult:
    """Return a shard's answer with positions in the whole index.

    Parameters
    ----------
    found : SearchResult
        With `scores64`.
    first : int
        Position of the shard's first row in the whole index.
    numbered : bool
        Whether positions in the whole index are the ids too.

    Returns
    -------
    SearchResult
    """
    missing = found.positions == NO_ROW
    positions = np.where(missing, NO_ROW, found.positions + first)
    return SearchResult(found.similarities, positions if numbered else found.ids, positions, found.scores64)


def merge(first: SearchResult, second: SearchResult, k: int) -> SearchResult:
    """Return the k best neighbours of each query among two answers.

    Parameters
    ----------
    first, second : SearchResult
        Answers of the same M queries that were found among different codes, with `scores64` and positions in
        the whole index (see `placed`), each (M, any number of neighbours).
    k : int

    Returns
    -------
    SearchResult
        Shape (M, k), in the order of a search: by float64 similarity, descending, then by id, ascending.
        Where there are fewer than k, an answer ends early: ids and positions of -1, similarities of minus
        infinity.

    Raises
    ------
    ValueError
        For an answer without `scores64`, or answers of different numbers of queries.

    Examples
    --------
    >>> import latentknn as lk
    >>> codes = [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [2.0, 2.0]]
    >>> first, second = (
    ...     lk.CosineIndex.from_codes(part).search([[3.0, 4.0]], 2, scores64=True)
    ...     for part in (codes[:2], codes[2:])
    ... )
    >>> merge(placed(first, 0, True), placed(second, 2, True), 3).ids.tolist()
    [[1, 3, 2]]
    """
    similarities, positions, ids, scores = _core.merge_answers(
        _scores(first), first.positions, first.ids, _scores(second), second.positions, second.ids, k
    )
    return SearchResult(similarities, ids, positions, scores)


def may_hold_more(found: SearchResult, merged: SearchResult) -> NDArray[np.bool_]:
    """Return for which queries a shard may have neighbours beyond those that it was asked for.

    Parameters
    ----------
    found : SearchResult
        The shard's answer; its last column is enough.
    merged : SearchResult
        The k best so far, among them those of `found`.

    Returns
    -------
    ndarray of shape (M,), bool
        False where the shard's last neighbour is not before the last of `merged`, or its answer ended early:
        then all that the shard has is behind.
    """
    scores, ids = _scores(found)[:, -1], found.ids[:, -1]
    kth_scores, kth_ids = _scores(merged)[:, -1], merged.ids[:, -1]
    before = (scores > kth_scores) | ((scores == kth_scores) & (ids < kth_ids))
    ended = found.positions[:, -1] == NO_ROW
    incomplete = merged.positions[:, -1] == NO_ROW
    more: NDArray[np.bool_] = ~ended & (before | incomplete)
    return more


def columns(found: SearchResult, which: slice) -> SearchResult:
    """Return some of each query's neighbours, in arrays of their own."""
    return SearchResult(
        found.similarities[:, which].copy(),
        found.ids[:, which].copy(),
        found.positions[:, which].copy(),
        _scores(found)[:, which].copy(),
    )


def without_themselves(found: Sequence[SearchResult]) -> SearchResult:
    """Return the neighbours of all codes, in order of position, without the codes themselves."""
    answer = (
        np.concatenate([each.similarities for each in found]),
        np.concatenate([each.positions for each in found]),
        np.concatenate([each.ids for each in found]),
        None if found[0].scores64 is None else np.concatenate([each.scores for each in found]),
    )
    similarities, positions, ids, scores = others_alone(answer, np.arange(len(answer[1])))
    return SearchResult(similarities, ids, positions, scores)


def _scores(found: SearchResult) -> NDArray[np.float64]:
    if found.scores64 is None:
        raise ValueError("answers of shards need scores64=True, by which they are merged")
    return found.scores64
