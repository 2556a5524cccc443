"""Plans of class-balanced batches: some classes a batch, and as many rows of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class _Rounds:
    """Numbers below a count in random order: each comes once before any comes again."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._count = count
        self._rng = rng
        self._waiting = np.empty(0, np.intp)

    def take(self, number: int) -> NDArray[np.intp]:
        """Return the next numbers, which are distinct if they are no more than the count."""
        while len(self._waiting) < number:
            fresh = self._rng.permutation(self._count)
            # What still waits comes last, so that it is not taken twice at once.
            waits = np.isin(fresh, self._waiting)
            self._waiting = np.concatenate([self._waiting, fresh[~waits], fresh[waits]])
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return taken


def plan_batches(
    rows: Sequence[NDArray[np.intp]],
    classes_per_batch: int,
    rows_per_class: int,
    batches: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Plan batches in which classes, and the rows of each class, occur equally often up to one.

    Parameters
    ----------
    rows : sequence of ndarray
        The rows of every class, at least one of each.
    classes_per_batch, rows_per_class : int
        Distinct classes of a batch, no more than there are, and rows of each. Rows of a class that has fewer
        occur in a batch more than once.
    batches : int
    rng : numpy.random.Generator

    Returns
    -------
    classes : ndarray of shape (batches, classes_per_batch), intp
        Class numbers of each batch.
    chosen : ndarray of shape (batches, classes_per_batch, rows_per_class), intp
        The rows of each of these classes.
    """
    classes = np.empty((batches, classes_per_batch), np.intp)
    chosen = np.empty((batches, classes_per_batch, rows_per_class), np.intp)
    turns = _Rounds(len(rows), rng)
    turns_of_rows = [_Rounds(len(of_class), rng) for of_class in rows]
    for batch in range(batches):
        classes[batch] = turns.take(classes_per_batch)
        for place, number in enumerate(classes[batch]):
            chosen[batch, place] = rows[number][turns_of_rows[number].take(rows_per_class)]
    return classes, chosen
