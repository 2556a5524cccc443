"""Stratified samples, in which every class has its share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def choose_evenly(labels: NDArray[np.integer[Any]], count: int, seed: int) -> NDArray[np.intp]:
    """Choose rows at random, so that the shares of the classes stay the same.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Class of every row.
    count : int
        Number of rows to choose; all rows if there are no more.
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
    # Rows at even steps of the order by class give every class its share.
    return np.sort(by_class[(2 * np.arange(count) + 1) * len(labels) // (2 * count)])
