"""The split of a training set into rows to train on and rows to hold out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.stratifying import choose_evenly

HELD_OUT_SHARE = 1 / 12
"""Share of the training images that are held out: 5,000 of MNIST's 60,000."""


def hold_out_share(labels: NDArray[np.integer[Any]], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split the rows of an experiment's training set as `hold_out` does, a twelfth of them held out."""
    return hold_out(labels, max(1, round(HELD_OUT_SHARE * len(labels))), seed)


def hold_out(
    labels: NDArray[np.integer[Any]], count: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows at random into rows to keep and rows to hold out, with the same shares of the classes.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Class of every row.
    count : int
        Number of rows to hold out, from 1 to n - 1.
    seed : int
        Seed of the choice.

    Returns
    -------
    kept, held_out : ndarray of shape (n - count,) and (count,), intp
        Row numbers, ascending. The number of rows held out of a class differs by less than one from the
        class's share of `count`.

    Raises
    ------
    ValueError
        If `count` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import hold_out
    >>> kept, held_out = hold_out(np.array([0, 0, 0, 1, 1, 1]), count=2, seed=0)
    >>> len(kept), len(held_out)
    (4, 2)
    """
    if not 1 <= count < len(labels):
        raise ValueError(
            f"cannot hold out {count} of {len(labels)} rows: at least one must be on either side"
        )
    held_out = choose_evenly(labels, count, seed)
    return np.delete(np.arange(len(labels)), held_out), held_out
