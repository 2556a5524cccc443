"""Outliers: items that are unlike every code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.notebook.one_line import one_line

LISTED = 20
"""As many outliers are listed."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """The items that lie farthest from other codes, by the distance to their k-th nearest code [1]_.

    The distance is 1 less the cosine similarity.

    Attributes
    ----------
    k : int
        Which neighbour's distance counts.
    median : float
        Median of all items' distances, to compare with.
    items : ndarray of shape (o,), int64
        Positions of the twenty items of largest distance, largest first, then by position.
    distances : ndarray of shape (o,), float64
        Their distances, from 0 to 2.

    References
    ----------
    .. [1] S. Ramaswamy, R. Rastogi, K. Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets",
       SIGMOD 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> outliers = evaluation.outliers
    >>> bool(outliers.distances[0] >= outliers.median)
    True
    """

    k: int
    median: float
    items: NDArray[np.int64]
    distances: NDArray[np.float64]

    __repr__ = one_line


def find_outliers(similarities: NDArray[np.float64]) -> Outliers:
    """List the items whose last neighbour is the least similar.

    Parameters
    ----------
    similarities : ndarray of shape (M, k), float64
        Similarities of the items' k nearest codes, best first.
    """
    distances = 1 - similarities[:, -1]
    listed = np.argsort(-distances, kind="stable")[:LISTED]
    return Outliers(similarities.shape[1], float(np.median(distances)), listed, distances[listed])
