"""Near-duplicates: items and codes that are almost the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation.evaluated_codes import EvaluatedCodes, in_parts
from latentknn.notebook.one_line import one_line

_Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Items, codes and similarities of some pairs."""

_MOST_PAIRS = 100_000
"""As many pairs are listed; an encoder that collapsed makes near-duplicates of all its codes."""


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Pairs of an item and a code whose similarity reaches a threshold.

    Attributes
    ----------
    threshold : float
        The least similarity.
    items_with : int
        Items that have such a code.
    complete : bool
        Whether all pairs are listed. Otherwise the search ended when it had found a hundred thousand.
    items, codes : ndarray of shape (p,), int64
        Positions of the item and of the code of each pair, the most similar pairs first. If every code is
        left out once, each pair is listed once, with the smaller position as the item.
    similarities : ndarray of shape (p,), float64
        Their similarities.
    same_class : ndarray of shape (p,), bool
        Whether both have the same class; otherwise one label is wrong, or the codes cannot tell the two
        apart.

    Examples
    --------
    >>> from latentknn.evaluation import evaluate
    >>> codes = [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> duplicates = evaluate(codes, ["a", "b", "a", "b"]).duplicates
    >>> duplicates.items.tolist(), duplicates.codes.tolist(), duplicates.same_class.tolist()
    ([0], [1], [False])
    """

    threshold: float
    items_with: int
    complete: bool
    items: NDArray[np.int64]
    codes: NDArray[np.int64]
    similarities: NDArray[np.float64]
    same_class: NDArray[np.bool_]

    __repr__ = one_line


def find_duplicates(
    evaluated: EvaluatedCodes,
    similarities: NDArray[np.float64],
    positions: NDArray[np.int64],
    threshold: float,
) -> Duplicates:
    """Find all pairs above a similarity, searching deeper where the neighbours at hand do not reach.

    Parameters
    ----------
    evaluated : EvaluatedCodes
        Items and index.
    similarities, positions : ndarray of shape (M, k)
        The items' nearest codes, best first.
    threshold : float
        The least similarity of a pair, above 0 and at most 1.
    """
    parts: list[_Pairs] = []
    complete = True
    for part in _pairs_by_depth(evaluated, similarities, positions, threshold):
        parts.append(part)
        if sum(len(items) for items, *_ in parts) > _MOST_PAIRS:
            complete = False
            break
    items, codes, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    if evaluated.leave_one_out:
        items, codes = np.minimum(items, codes), np.maximum(items, codes)
    _, first = np.unique(items * len(evaluated.index) + codes, return_index=True)
    first = first[np.argsort(-values[first], kind="stable")][:_MOST_PAIRS]
    items, codes, values = items[first], codes[first], values[first]
    return Duplicates(
        threshold=threshold,
        items_with=int(np.sum(similarities[:, 0] >= threshold)),
        complete=complete,
        items=items,
        codes=codes,
        similarities=values,
        same_class=evaluated.item_classes[items] == evaluated.database_classes[codes],
    )


def _pairs_by_depth(
    evaluated: EvaluatedCodes,
    similarities: NDArray[np.float64],
    positions: NDArray[np.int64],
    threshold: float,
) -> Iterator[_Pairs]:
    """Yield pairs among the neighbours at hand, then among twice as many where all of these are pairs."""
    k = similarities.shape[1]
    everyone = np.arange(len(similarities))
    yield _pairs_of(everyone, similarities, positions, threshold)
    unfinished = everyone[similarities[:, -1] >= threshold]
    while len(unfinished) > 0 and k < evaluated.searchable:
        known, k = k, min(2 * k, evaluated.searchable)
        still: list[NDArray[np.intp]] = []
        for items in in_parts(unfinished, k):
            deeper, codes = evaluated.nearest(items, k)
            yield _pairs_of(items, deeper[:, known:], codes[:, known:], threshold)
            still.append(items[deeper[:, -1] >= threshold])
        unfinished = np.concatenate(still)


def _pairs_of(
    items: NDArray[np.intp], similarities: NDArray[np.float64], positions: NDArray[np.int64], threshold: float
) -> _Pairs:
    rows, columns = np.nonzero(similarities >= threshold)
    return items[rows].astype(np.int64), positions[rows, columns], similarities[rows, columns]
