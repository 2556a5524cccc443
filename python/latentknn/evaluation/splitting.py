"""Setting a part of the training set aside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def hold_out(
    labels: NDArray[np.integer[Any]], count: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows at random into those to keep and those to hold out, with the same shares of the classes.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Class of every row.
    count : int
        Rows to hold out, from 1 to n - 1.
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
    """
    if not 1 <= count < len(labels):
        raise ValueError(
            f"cannot hold out {count} of {len(labels)} rows: at least one must be on either side"
        )
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced rows of the sorted order take from every class its share.
    chosen = (2 * np.arange(count) + 1) * len(labels) // (2 * count)
    return np.sort(np.delete(by_class, chosen)), np.sort(by_class[chosen])
