"""Suspected label errors: items whose neighbours have other labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.neighbours import Neighbours
from latentknn.classification.vote import winning_classes
from latentknn.notebook.one_line import one_line

K = 15
"""Neighbours that testify against a label: enough to outvote some wrong labels among them."""

LISTED = 100
"""As many suspects are listed."""


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Items whose labels are probably wrong, the most suspected first.

    The suspicion against a label is the share of the item's k nearest codes that have other labels. It is one
    less the label's "self-confidence", by which confident learning ranks label errors [1]_, of a uniform
    k-nearest-neighbour vote, which needs no training [2]_. Of equal suspicions, that of the item whose
    nearest code is more similar is the stronger one: its neighbours know it better. An item is listed if
    another label has more neighbours than its own.

    Attributes
    ----------
    k : int
        Neighbours of an item that testify.
    total : int
        Items for which another label has more neighbours than their own; the hundred most suspected of them
        are listed.
    items : ndarray of shape (s,), int64
        Positions of the suspects.
    suspicions : ndarray of shape (s,), float64
        Suspicions against their labels, from 0 to 1.
    suggestions : tuple of str
        The labels that most of their neighbours have, of length s.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
       Labels", Journal of Artificial Intelligence Research 70, 2021.
    .. [2] Z. Zhu, Z. Dong, Y. Liu, "Detecting Corrupted Labels Without Training a Model to Predict", ICML
       2022.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes + [10, 0, 0, 0], ["far"] + ["near"] * 39)
    >>> evaluation.label_errors.items.tolist(), evaluation.label_errors.suggestions
    ([0], ('near',))
    """

    k: int
    total: int
    items: NDArray[np.int64]
    suspicions: NDArray[np.float64]
    suggestions: tuple[str, ...]

    __repr__ = one_line


def suspicion(neighbours: Neighbours, classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each item's neighbours, shape (M,), that have another class than it."""
    shares: NDArray[np.float64] = np.mean(neighbours.classes != classes[:, None], axis=1)
    return shares


def find_label_errors(
    neighbours: Neighbours, classes: NDArray[np.int64], class_names: tuple[str, ...]
) -> LabelErrors:
    """List the items whose neighbours speak against their labels.

    Parameters
    ----------
    neighbours : Neighbours
        The nearest codes of M items.
    classes : ndarray of shape (M,), int64
        The classes that the items' labels say.
    class_names : tuple of str
        Names of the classes.
    """
    against = suspicion(neighbours, classes)
    others = (neighbours.classes != classes[:, None]).astype(np.float64)
    suggested = winning_classes(neighbours.classes, others, neighbours.class_count)
    for_suggested = np.mean(neighbours.classes == suggested[:, None], axis=1)
    suspects = np.flatnonzero((for_suggested > 1 - against) & (suggested != classes))
    order = np.lexsort((-neighbours.similarities[suspects, 0], -against[suspects]))[:LISTED]
    listed = suspects[order]
    return LabelErrors(
        k=neighbours.classes.shape[1],
        total=len(suspects),
        items=listed.astype(np.int64),
        suspicions=against[listed],
        suggestions=tuple(class_names[number] for number in suggested[listed].tolist()),
    )
