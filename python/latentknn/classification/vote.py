"""The vote, by which the neighbours of a query decide on its class."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEIGHTS = ("uniform", "similarity", "softmax")
"""The weights that a `Vote` may give its neighbours.

>>> from latentknn.classification import WEIGHTS
>>> WEIGHTS
('uniform', 'similarity', 'softmax')
"""

Weights = str | Callable[[NDArray[np.float64]], ArrayLike]
"""Names of weights, or a function of distances (M, k) that returns weights of the same shape."""

_DISTANCE = "distance"
_NAMES = (*WEIGHTS, _DISTANCE)

# The votes of this many (query, class) pairs are in memory at a time: 32 MiB, whatever the number of classes.
_VOTES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Vote:
    """A rule by which neighbours decide on a class; the parameters are those of `CosineKNNClassifier`.

    Parameters
    ----------
    k : int
        Number of neighbours that vote.
    weights : {"uniform", "similarity", "softmax", "distance"}
        Weight of a neighbour's vote.
    temperature : float
        Temperature of ``weights="softmax"``, in units of cosine similarity.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.classification import Vote
    >>> print(Vote(3, "softmax"))
    k = 3, softmax votes
    >>> Vote(3, "similarity").weigh(np.array([[0.9, 0.5, -0.1]])).tolist()
    [[0.9, 0.5, 0.0]]
    """

    k: int
    weights: str = "uniform"
    temperature: float = 0.07

    def __str__(self) -> str:
        return f"k = {self.k}" if self.k == 1 else f"k = {self.k}, {self.weights} votes"

    def weigh(self, similarities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of every neighbour's vote.

        Parameters
        ----------
        similarities : ndarray of shape (M, k), float64
            Cosine similarities of each query's neighbours, descending.

        Returns
        -------
        ndarray of shape (M, k), float64
            1 for "uniform"; max(s, 0) for "similarity", or 1 for a query whose neighbours all have s <= 0;
            exp((s - max s) / temperature) for "softmax"; 1 / (1 - s) for "distance", or 1 and 0 where that is
            infinite for some neighbours of a query.

        Raises
        ------
        ValueError
            If `weights` is not one of the names.
        """
        if self.weights == "uniform":
            return np.ones_like(similarities)
        if self.weights == "similarity":
            positive = np.maximum(similarities, 0.0)
            positive[~positive.any(axis=1)] = 1.0
            return positive
        if self.weights == "softmax":
            return np.exp((similarities - similarities[:, :1]) / self.temperature)
        if self.weights == _DISTANCE:
            return _inverse(1.0 - similarities)
        raise ValueError(f"weights must be one of {', '.join(_NAMES)}, received {self.weights!r}")


@dataclass(frozen=True)
class FunctionVote(Vote):
    """A vote whose weights a function of the distances gives; results that are saved hold none.

    Parameters
    ----------
    function : callable
        Gets distances 1 - s of shape (M, k), and returns weights of the same shape.
    """

    function: Callable[[NDArray[np.float64]], ArrayLike] = np.ones_like

    def weigh(self, similarities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the function gives, or 1 for a query for whose neighbours it is all 0.

        Raises
        ------
        ValueError
            If it returns another shape, or numbers that are negative or not finite.
        """
        return _given(self.function(1.0 - similarities), similarities.shape)


def vote_of(k: int, weights: Weights, temperature: float) -> Vote:
    """Return the vote of so many neighbours by the name of its weights, or by a function of distances."""
    if isinstance(weights, str):
        return Vote(k, weights, temperature)
    return FunctionVote(k, "callable", temperature, weights)


def weigh_counted(
    vote: Vote, similarities: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weights of neighbours that count as more than one or as less, until `vote.k` are counted.

    Parameters
    ----------
    vote : Vote
    similarities : ndarray of shape (M, m), float64
        Of each query's neighbours, descending.
    counts : ndarray of shape (M, m), float64
        As how many neighbours each counts, at least 0.

    Returns
    -------
    ndarray of shape (M, m), float64
        The weight of one times the number that is counted.
    """
    before = np.cumsum(counts, axis=1) - counts
    counted = np.clip(vote.k - before, 0.0, counts)
    weights = vote.weigh(similarities) * counted
    silent = ~weights.any(axis=1)
    weights[silent] = counted[silent]
    return weights


def check_weights(weights: Weights, temperature: float) -> None:
    """Raise ValueError if weights or the temperature are none that votes have."""
    if not callable(weights) and not (isinstance(weights, str) and weights in _NAMES):
        raise ValueError(
            f"weights must be one of {', '.join(_NAMES)}, or a function of distances, received {weights!r}"
        )
    if not isinstance(temperature, numbers.Real) or not 0.0 < temperature < math.inf:
        raise ValueError(f"temperature must be a positive number, received {temperature!r}")


def _inverse(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / distance; 1 and 0 for a query with a neighbour for which that is infinite."""
    with np.errstate(divide="ignore"):
        weights: NDArray[np.float64] = 1.0 / distances
    equal = np.isinf(weights)
    rows = equal.any(axis=1)
    weights[rows] = equal[rows]
    return weights


def _given(values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the weights that a function gave, in an array of their own."""
    weights = np.array(values, np.float64)
    if weights.shape != shape:
        raise ValueError(f"weights() must return an array of shape {shape}, received shape {weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        wrong = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise ValueError(f"weights() must return finite numbers of at least 0, received {wrong}")
    weights[~weights.any(axis=1)] = 1.0
    return weights


def class_votes(
    neighbour_classes: NDArray[np.integer[Any]], weights: NDArray[np.float64], class_count: int
) -> NDArray[np.float64]:
    """Sum the weights of each query's neighbours by class, nearest neighbour first.

    Parameters
    ----------
    neighbour_classes : ndarray of shape (M, k), integer
        Class of every neighbour, in [0, `class_count`).
    weights : ndarray of shape (M, k), float64
        Weight of every neighbour, from `Vote.weigh`.
    class_count : int
        Number of classes, C.

    Returns
    -------
    ndarray of shape (M, C), float64
    """
    query_count = len(neighbour_classes)
    cells = neighbour_classes + class_count * np.arange(query_count)[:, None]
    votes: NDArray[Any] = np.bincount(
        cells.ravel(), weights=weights.ravel(), minlength=query_count * class_count
    )
    return votes.reshape(query_count, class_count)


def winning_classes(
    neighbour_classes: NDArray[np.integer[Any]], weights: NDArray[np.float64], class_count: int
) -> NDArray[np.integer[Any]]:
    """Return the class with the most votes; of equal classes, the one whose nearest neighbour comes first.

    Parameters
    ----------
    neighbour_classes, weights, class_count
        See `class_votes`; neighbours are in the order of the search.

    Returns
    -------
    ndarray of shape (M,), integer
    """
    winners = np.empty(len(neighbour_classes), dtype=neighbour_classes.dtype)
    for queries in _slices(len(neighbour_classes), max(1, _VOTES_AT_ONCE // class_count)):
        classes = neighbour_classes[queries]
        votes = class_votes(classes, weights[queries], class_count)
        # Neighbours without weight do not vote; so they decide no ties.
        votes_of_neighbour = np.where(weights[queries] > 0, np.take_along_axis(votes, classes, axis=1), -1.0)
        # argmax returns the first of equal values, as the rule for ties demands.
        first = votes_of_neighbour.argmax(axis=1)
        winners[queries] = np.take_along_axis(classes, first[:, None], axis=1)[:, 0]
    return winners


def _slices(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, start + step)
