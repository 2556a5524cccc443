"""Choosing the vote on queries whose classes are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation.accuracy import Accuracy
from latentknn.evaluation.neighbours import Neighbours
from latentknn.evaluation.votes import CANDIDATES, Vote


@dataclass(frozen=True)
class VoteScore:
    """A vote and its accuracy on the queries that it was tried on."""

    vote: Vote
    accuracy: Accuracy


def score_votes(
    neighbours: Neighbours, truth: NDArray[np.integer[Any]], votes: Iterable[Vote] = CANDIDATES
) -> tuple[VoteScore, ...]:
    """Try votes on queries whose classes are known.

    Parameters
    ----------
    neighbours : Neighbours
        Of M queries, at least as many each as the largest vote needs.
    truth : ndarray of shape (M,), integer
        The queries' classes.
    votes : iterable of Vote
        The votes to try.

    Returns
    -------
    tuple of VoteScore
        In the order of `votes`.
    """
    return tuple(
        VoteScore(vote, Accuracy(int(np.count_nonzero(neighbours.predict(vote) == truth)), len(truth)))
        for vote in votes
    )


def best_vote(scores: Iterable[VoteScore]) -> Vote:
    """Return the vote with the highest accuracy, of equal ones the first."""
    return max(scores, key=lambda score: score.accuracy.value).vote
