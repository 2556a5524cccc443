"""The choice of a vote by queries whose classes are known."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.neighbours import Neighbours
from latentknn.classification.vote import WEIGHTS, Vote
from latentknn.evaluation.accuracy import Accuracy, standard_score

CANDIDATES = (
    Vote(1),
    *(Vote(k, weights) for k in (3, 5, 7, 9, 11, 15, 21, 31) for weights in WEIGHTS),
)
"""The votes among which an experiment chooses, fewest neighbours first.

With one neighbour all weights give the same vote.

>>> from latentknn.evaluation import CANDIDATES
>>> print(len(CANDIDATES), CANDIDATES[0], CANDIDATES[-1], sep="; ")
25; k = 1; k = 31, softmax votes
"""


@dataclass(frozen=True)
class VoteScore:
    """The score of a vote on the queries that it was tried on.

    Parameters
    ----------
    vote : Vote
    accuracy : Accuracy
    gained, lost : int
        Queries that this vote gets right and the first vote wrong, and the other way round.

    Examples
    --------
    >>> from latentknn.evaluation import Accuracy, Vote, VoteScore
    >>> score = VoteScore(Vote(5), Accuracy(90, 100), gained=12, lost=2)
    >>> low, high = score.gain()
    >>> low > 0
    True
    """

    vote: Vote
    accuracy: Accuracy
    gained: int = 0
    lost: int = 0

    def gain(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return an interval for the accuracy of this vote less that of the first vote.

        Parameters
        ----------
        confidence : float
            Probability, between 0 and 1, that such an interval covers the true value.

        Returns
        -------
        tuple of float
            Lower and upper end, from -1 to 1.

        Raises
        ------
        ValueError
            If `confidence` is not between 0 and 1.

        References
        ----------
        This is Wald's interval of paired shares, the counterpart of McNemar's test: A. Agresti, "Categorical
        Data Analysis", second edition, 2002, section 10.1.1.
        """
        n, difference = self.accuracy.total, self.gained - self.lost
        z = standard_score(confidence)
        half_width = z * math.sqrt(self.gained + self.lost - difference**2 / n)
        return (difference - half_width) / n, (difference + half_width) / n


def score_votes(
    neighbours: Neighbours, truth: NDArray[np.integer[Any]], votes: Iterable[Vote] = CANDIDATES
) -> tuple[VoteScore, ...]:
    """Try votes on queries whose classes are known.

    Parameters
    ----------
    neighbours : Neighbours
        Neighbours of M queries, for each at least as many as the largest vote needs.
    truth : ndarray of shape (M,), integer
        The queries' classes.
    votes : iterable of Vote
        The votes to try.

    Returns
    -------
    tuple of VoteScore
        Scores in the order of `votes`.

    Examples
    --------
    >>> import latentknn as lk
    >>> from latentknn.evaluation import find_neighbours, score_votes
    >>> digits = lk.datasets.load("digits")
    >>> codes = digits.train_images.reshape(-1, 64)
    >>> index = lk.CosineIndex.from_codes(codes[:1000], digits.train_labels[:1000])
    >>> neighbours = find_neighbours(index, codes[1000:], 31, class_count=10)
    >>> scores = score_votes(neighbours, digits.train_labels[1000:])
    >>> print(scores[0].vote, scores[0].accuracy)
    k = 1 0.9865 [0.9659, 0.9948]
    """
    votes = tuple(votes)
    right = [neighbours.predict(vote) == truth for vote in votes]

    def count(flags: NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(flags))

    return tuple(
        VoteScore(
            vote, Accuracy(count(own), len(truth)), gained=count(own & ~right[0]), lost=count(right[0] & ~own)
        )
        for vote, own in zip(votes, right, strict=True)
    )


def best_vote(scores: Sequence[VoteScore]) -> Vote:
    """Return the vote of highest accuracy among those that are better than the first vote.

    A vote is better if the interval of its gain, at 95 % confidence, lies above 0: a vote that a few queries
    cannot distinguish from the first does not replace it.

    Parameters
    ----------
    scores : sequence of VoteScore
        Scores from `score_votes`, at least one.

    Returns
    -------
    Vote
        The first of equally accurate votes; the first of all if none is better.

    Examples
    --------
    >>> import latentknn as lk
    >>> from latentknn.evaluation import best_vote, find_neighbours, score_votes
    >>> digits = lk.datasets.load("digits")
    >>> codes = digits.train_images.reshape(-1, 64)
    >>> index = lk.CosineIndex.from_codes(codes[:1000], digits.train_labels[:1000])
    >>> neighbours = find_neighbours(index, codes[1000:], 31, class_count=10)
    >>> scores = score_votes(neighbours, digits.train_labels[1000:])
    >>> print(best_vote(scores))
    k = 1
    """
    better = [score for score in scores if score.gain()[0] > 0]
    return max(better or scores[:1], key=lambda score: score.accuracy.value).vote
