"""Confusion: which classes are taken for which, and what each class is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from latentknn.evaluation.classification import Classification


@dataclass(frozen=True)
class ClassScore:
    """What the predictions are worth for a class; scikit-learn's definitions.

    Attributes
    ----------
    name : str
        Name of the class.
    precision : float
        The share of items predicted as this class that are of it; 0 if there are none.
    recall : float
        The share of this class's items that are predicted as it; 0 if there are none.
    f1 : float
        Harmonic mean of the two; 0 if both are.
    items, codes : int
        Items of this class, and codes of it that are searched.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> [score.name for score in evaluation.class_scores]
    ['far', 'near']
    """

    name: str
    precision: float
    recall: float
    f1: float
    items: int
    codes: int


@dataclass(frozen=True)
class ConfusedPair:
    """A class whose items are taken for another class.

    Attributes
    ----------
    truth, predicted : str
        The true class and the predicted one.
    count : int
        Number of such items.
    share : float
        Their share of the items of the true class.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> sum(pair.count for pair in evaluation.confused) == evaluation.voted.total - evaluation.voted.correct
    True
    """

    truth: str
    predicted: str
    count: int
    share: float


def score_classes(classification: Classification, class_sizes: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Return the scores of all classes, in their order.

    Parameters
    ----------
    classification : Classification
        True and predicted classes of the items.
    class_sizes : ndarray of shape (C,), int64
        Codes of each class that are searched.
    """
    precision, recall, f1, items = precision_recall_fscore_support(
        classification.truth,
        classification.predictions,
        labels=np.arange(len(classification.class_names)),
        zero_division=0.0,
    )
    columns = (precision, recall, f1, items.astype(np.int64), class_sizes)
    rows = zip(classification.class_names, *(column.tolist() for column in columns), strict=True)
    return tuple(ClassScore(*row) for row in rows)


def confused_pairs(classification: Classification) -> tuple[ConfusedPair, ...]:
    """Return all pairs of a true and another predicted class, the most frequent first, then in order."""
    names, count = classification.class_names, len(classification.class_names)
    truth, predicted = (each.astype(np.int64) for each in (classification.truth, classification.predictions))
    sizes = np.bincount(truth, minlength=count)
    wrong = truth != predicted
    cells, counts = np.unique(truth[wrong] * count + predicted[wrong], return_counts=True)
    by_count = np.argsort(-counts, kind="stable")
    return tuple(
        ConfusedPair(names[cell // count], names[cell % count], number, number / int(sizes[cell // count]))
        for cell, number in zip(cells[by_count].tolist(), counts[by_count].tolist(), strict=True)
    )
