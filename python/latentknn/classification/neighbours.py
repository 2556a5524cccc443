"""The neighbours of a batch of queries, found by one search for any number of votes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.classification.vote import Vote, class_votes, weigh_counted, winning_classes
from latentknn.index import CosineIndex
from latentknn.index.class_search import nearest_of_all
from latentknn.notebook.one_line import one_line
from latentknn.progress import ProgressLike


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
    counts : ndarray of shape (M, k), float64, or None
        As how many neighbours each counts; None where each is one. A vote of some number of neighbours takes
        them until so many are counted, of the last one perhaps a part.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.classification import Neighbours, Vote
    >>> neighbours = Neighbours(np.array([[0.9, 0.8, 0.7]]), np.array([[2, 0, 0]]), class_count=3)
    >>> neighbours.predict(Vote(1)).tolist(), neighbours.predict(Vote(3)).tolist()
    ([2], [0])
    """

    similarities: NDArray[np.float64]
    classes: NDArray[np.integer[Any]]
    class_count: int
    counts: NDArray[np.float64] | None = None

    __repr__ = one_line

    def predict(self, vote: Vote) -> NDArray[np.integer[Any]]:
        """Return the class of every query, shape (M,), by a vote of its first ``vote.k`` neighbours.

        Raises
        ------
        ValueError
            If there are fewer neighbours than the vote needs.
        """
        classes, weights = self.voters(vote)
        return winning_classes(classes, weights, self.class_count)

    def shares(self, vote: Vote) -> NDArray[np.float64]:
        """Return each class's share, shape (M, C), in the votes of every query's first ``vote.k`` neighbours.

        Raises
        ------
        ValueError
            See `predict`.
        """
        votes = class_votes(*self.voters(vote), self.class_count)
        shares: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def voters(self, vote: Vote) -> tuple[NDArray[np.integer[Any]], NDArray[np.float64]]:
        """Return the class and the weight, both of shape (M, k), of every neighbour that a vote asks.

        Raises
        ------
        ValueError
            See `predict`.
        """
        if self.counts is not None:
            return self.classes, weigh_counted(vote, self.similarities, self.counts)
        found = self.classes.shape[1]
        if vote.k > found:
            raise ValueError(f"a vote of {vote.k} neighbours needs a search for as many, received {found}")
        return self.classes[:, : vote.k], vote.weigh(self.similarities[:, : vote.k])


def find_neighbours(
    index: CosineIndex, queries: ArrayLike, k: int, class_count: int, *, progress: ProgressLike = False
) -> Neighbours:
    """Search once for the k nearest codes of every query.

    Parameters
    ----------
    index : CosineIndex
        Codes whose labels are class numbers.
    queries : array-like of shape (M, d), or (C, M, d)
        Codes from `encode_queries`. An array of three dimensions holds every query's encoding under each
        class of the index, classes ascending; each is compared with the codes of its class alone.
    k : int
        Number of neighbours of a query, of all classes together.
    class_count : int
        Number of classes.
    progress : bool or callable
        Whether to show a bar, or whom to tell of the queries that are answered, as of `CosineIndex.search`;
        searches class by class tell nobody.

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If the index has no labels; see also `CosineIndex.search` and `CosineIndex.search_per_class`.

    Examples
    --------
    >>> import latentknn as lk
    >>> from latentknn.classification import Vote, find_neighbours
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], labels=[0, 0, 1])
    >>> find_neighbours(index, [[2.0, 1.0]], 3, class_count=2).predict(Vote(3)).tolist()
    [0]
    """
    labels = index.labels
    if labels is None:
        raise ValueError("the index has no labels; pass labels= with the codes")
    if np.ndim(queries) == 3:
        found = index.search_per_class(queries, k, scores64=True)
        scores, class_numbers = nearest_of_all(found.scores, found.ids)
        return Neighbours(scores, index.classes[class_numbers], class_count)
    # Indexes of shards do not tell how far a search is.
    told: dict[str, Any] = {} if progress is False else {"progress": progress}
    found = index.search(queries, k, scores64=True, **told)
    return Neighbours(found.scores, labels[found.positions], class_count)
