"""The evidence for predictions: neighbours, weights and votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.appearance import prediction_html, prediction_text


@dataclass(frozen=True, eq=False)
class PredictionExplanation:
    """Why queries are predicted to be of their classes.

    M is the number of queries, k that of each one's neighbours, C that of classes.

    Attributes
    ----------
    predictions : ndarray of shape (M,)
        The classes that `CosineKNNClassifier.predict` answers.
    classes : ndarray of shape (C,)
        All classes, in the order of the columns of `votes`.
    positions, ids : ndarray of shape (M, k), int64
        The neighbours, nearest first: rows of the training data, or of the index that was given, and their
        ids, which are the same where the classifier was fitted.
    labels : ndarray of shape (M, k)
        The neighbours' labels.
    similarities : ndarray of shape (M, k), float64
        The neighbours' cosine similarities, which order them.
    weights : ndarray of shape (M, k), float64
        The weights of their votes.
    votes : ndarray of shape (M, C), float64
        The sum of the weights of each class.
    margins : ndarray of shape (M,), float64
        By how much the share of the predicted class in the votes is larger than that of the next one: from 0,
        where the nearest neighbour decides between classes of equally many votes, to 1, where all neighbours
        agree.

    Examples
    --------
    >>> import latentknn as lk
    >>> codes, labels = [[1.0, 0.0], [4.0, 3.0], [0.0, 1.0]], ["right", "right", "up"]
    >>> explanation = lk.CosineKNNClassifier(3).fit(codes, labels).explain_prediction([[1.0, 0.0]])
    >>> explanation
    PredictionExplanation(1 query, 3 neighbours each, margins from 0.3333 to 0.3333)
    >>> explanation.labels.tolist(), explanation.similarities.tolist(), explanation.votes.tolist()
    ([['right', 'right', 'up']], [[1.0, 0.8, 0.0]], [[2.0, 1.0]])
    """

    predictions: NDArray[Any]
    classes: NDArray[Any]
    positions: NDArray[np.int64]
    ids: NDArray[np.int64]
    labels: NDArray[Any]
    similarities: NDArray[np.float64]
    weights: NDArray[np.float64]
    votes: NDArray[np.float64]
    margins: NDArray[np.float64]

    def __repr__(self) -> str:
        return prediction_text(self)

    def _repr_html_(self) -> str:
        return prediction_html(self)


def margins_of(shares: NDArray[np.float64], winners: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return by how much each query's winner has a larger share than any other class.

    Parameters
    ----------
    shares : ndarray of shape (M, C), float64
        Share of each class in the votes for every query.
    winners : ndarray of shape (M,), integer
        The class that wins.
    """
    queries = np.arange(len(shares))
    others = shares.copy()
    others[queries, winners] = 0.0
    margins: NDArray[np.float64] = shares[queries, winners] - others.max(axis=1, initial=0.0)
    return margins
