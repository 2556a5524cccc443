"""The neighbours of every query, found once; all votes of fewer of them follow without another search."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import voting
from latentknn.class_search import nearest_of_all
from latentknn.evaluation.votes import Vote
from latentknn.index import CosineIndex


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest labelled codes of a batch of queries, nearest first.

    Attributes
    ----------
    similarities : ndarray of shape (M, k), float64
        Cosine similarities.
    classes : ndarray of shape (M, k), integer
        Class of every neighbour, in [0, `class_count`).
    class_count : int
        Number of classes.
    """

    similarities: NDArray[np.float64]
    classes: NDArray[np.integer[Any]]
    class_count: int

    def predict(self, vote: Vote) -> NDArray[np.integer[Any]]:
        """Return the class of every query, shape (M,), by a vote of its first ``vote.k`` neighbours.

        Raises
        ------
        ValueError
            If there are fewer neighbours than the vote needs.
        """
        found = self.classes.shape[1]
        if vote.k > found:
            raise ValueError(f"a vote of {vote.k} neighbours needs a search for as many, received {found}")
        weights = voting.neighbour_weights(self.similarities[:, : vote.k], vote.weights, vote.temperature)
        return voting.winning_classes(self.classes[:, : vote.k], weights, self.class_count)


def find_neighbours(
    index: CosineIndex,
    queries: ArrayLike,
    k: int,
    class_count: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """Search once for the k nearest codes of every query.

    Parameters
    ----------
    index : CosineIndex
        Codes whose labels are class numbers.
    queries : array-like of shape (M, d)
    k : int
        Neighbours a query.
    class_count : int
        Number of classes.
    allowed : ndarray of shape (n,), bool, optional
        Search only the codes whose flag is true.

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If the index has no labels, or as `CosineIndex.search`.
    """
    labels = index.labels
    if labels is None:
        raise ValueError("the index has no labels; pass labels= with the codes")
    found = index.search(queries, k, allowed=allowed, scores64=True)
    return Neighbours(found.scores, labels[found.positions], class_count)


def find_neighbours_per_class(
    codes: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    queries: NDArray[np.floating[Any]],
    k: int,
    *,
    threads: int | None = None,
) -> Neighbours:
    """Compare the encoding of every query under a class with the codes of that class, for every class.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float
        Codes of images under their own class.
    labels : ndarray of shape (n,), integer
        Those classes, in [0, C).
    queries : ndarray of shape (C, M, d), float
        The queries under every class, as `encode_per_class` returns them.
    k : int
        Neighbours a query.
    threads : int, optional
        Threads of the searches; by default every processor that the process may use.

    Returns
    -------
    Neighbours
        The k nearest of all classes together.

    Raises
    ------
    ValueError
        If a class has fewer than `k` codes.
    """
    sizes = np.bincount(labels, minlength=len(queries))
    if sizes.min() < k:
        raise ValueError(f"class {sizes.argmin()} has {sizes.min()} codes, expected at least k = {k}")
    index = CosineIndex.from_codes(codes, labels, threads=threads)
    found = index.search_per_class(queries, k, scores64=True)
    scores, classes = nearest_of_all(found.scores, found.ids)
    return Neighbours(scores, classes, len(queries))
