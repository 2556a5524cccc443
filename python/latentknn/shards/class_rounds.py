"""Searches among the codes of every class of several shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.index import SearchResult
from latentknn.index.class_search import ClassSearch, queries_of_classes
from latentknn.shards.asking import ALL, Asking
from latentknn.shards.merging import placed
from latentknn.shards.rounds import Part


def ask_per_class(
    parts: Sequence[Part], classes: NDArray[Any], queries: ArrayLike, dim: int, k: int, scores64: bool
) -> SearchResult:
    """Ask each shard for the k best codes of every class that it has, one shard after the other.

    Parameters
    ----------
    parts : sequence of Part
    classes : ndarray of shape (C,)
        The classes of all shards, sorted.
    queries : array-like of shape (M, dim), or (C, M, dim)
    dim : int
    k : int
        At most the codes of the smallest class.
    scores64 : bool
        Whether to return the float64 similarities too.

    Returns
    -------
    SearchResult
        Shape (C, M, k).
    """
    askings = [
        Asking.of_queries(rows, k)
        for rows in rounded_queries(queries_of_classes(queries, dim, classes), classes)
    ]
    for part in parts:
        _ask_part(part, classes, askings, k)
    found = [asking.found(scores64) for asking in askings]
    return SearchResult(
        np.stack([each.similarities for each in found]),
        np.stack([each.ids for each in found]),
        np.stack([each.positions for each in found]),
        np.stack([each.scores for each in found]) if scores64 else None,
    )


def _ask_part(part: Part, classes: NDArray[Any], askings: Sequence[Asking], k: int) -> None:
    # This function ends before the next shard is read, so that nothing holds both in memory.
    with part.shard.classes_apart() as apart:
        of_all = np.searchsorted(classes, apart.classes.astype(classes.dtype))
        for number, asking in enumerate(askings[i] for i in of_all):
            asking.add(ALL, _ask(part, apart, number, asking, k))


def _ask(part: Part, apart: ClassSearch, number: int, asking: Asking, k: int) -> SearchResult:
    """Return a shard's best neighbours of one class."""
    similarities, positions, ids, scores = apart.search_class(
        number,
        asking.queries(),
        min(k, int(apart.counts[number])),
        _core.usable_processors(),
        True,
        asking.lowest(ALL),
    )
    return placed(SearchResult(similarities, ids, positions, scores), part.first, part.numbered)


def rounded_queries(queries: list[NDArray[Any]], classes: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return the queries of every class as float32; ValueError names the class and the first bad row."""
    rounded: dict[int, NDArray[np.float32]] = {}
    for rows, label in zip(queries, classes.tolist(), strict=True):
        try:
            # The same queries may stand for every class.
            if id(rows) not in rounded:
                rounded[id(rows)] = _core.round_rows(rows, "queries")
        except ValueError as error:
            raise ValueError(f"searching class {label!r}: {error}") from error
    return [rounded[id(rows)] for rows in queries]
