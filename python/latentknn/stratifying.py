"""Stratified samples: rows of all classes alike."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def choose_evenly(labels: NDArray[np.integer[Any]], count: int, seed: int) -> NDArray[np.intp]:
    """Choose rows at random with the same shares of the classes.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Class of every row.
    count : int
        Rows to choose; all where there are not more.
    seed : int
        Seed of the choice.

    Returns
    -------
    ndarray of intp
        Row numbers, ascending. The number of rows of a class differs by less than one from its share.

    Raises
    ------
    ValueError
        If ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"cannot choose {count} rows; expected at least 1")
    count = min(count, len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced rows of the sorted order take from every class its share.
    return np.sort(by_class[(2 * np.arange(count) + 1) * len(labels) // (2 * count)])
