"""Hubs: codes that are among the nearest of more items than others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew  # type: ignore[import-untyped]  # a dependency of scikit-learn

from latentknn.notebook.one_line import one_line

LISTED = 20
"""As many hubs are listed."""


@dataclass(frozen=True, eq=False)
class Hubs:
    """How unevenly the items' nearest codes are spread over all codes.

    Attributes
    ----------
    k : int
        Neighbours of an item that count.
    skewness : float or None
        Skewness of the k-occurrence, N_k, which is the number of items that have a code among their k nearest
        [1]_. It is about 0 where codes occur about equally often, and the larger the more often a few of them
        occur; None if all occur equally often.
    never : int
        Codes that no item has among its k nearest.
    codes : ndarray of shape (h,), int64
        Positions of the codes of largest k-occurrence, largest first, then by position.
    occurrences : ndarray of shape (h,), int64
        Their k-occurrences.
    misleading : ndarray of shape (h,), int64
        How many of these occurrences are for items of another class than the code's: N_k of a "bad hub" [1]_.

    References
    ----------
    .. [1] M. Radovanović, A. Nanopoulos, M. Ivanović, "Hubs in Space: Popular Nearest Neighbors in
       High-Dimensional Data", Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> hubs = evaluation.hubs
    >>> hubs.k, len(hubs.codes), bool((hubs.occurrences[:-1] >= hubs.occurrences[1:]).all())
    (10, 20, True)
    """

    k: int
    skewness: float | None
    never: int
    codes: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    misleading: NDArray[np.int64]

    __repr__ = one_line


def find_hubs(positions: NDArray[np.int64], same_class: NDArray[np.bool_], code_count: int) -> Hubs:
    """Count how often each code is a neighbour.

    Parameters
    ----------
    positions : ndarray of shape (M, k), int64
        Positions of the items' nearest codes.
    same_class : ndarray of shape (M, k), bool
        Whether a neighbour is of the item's class.
    code_count : int
        Number of codes that were searched.
    """
    occurrences = np.bincount(positions.ravel(), minlength=code_count)
    misleading = np.bincount(positions[~same_class], minlength=code_count)
    listed = np.argsort(-occurrences, kind="stable")[:LISTED]
    listed = listed[occurrences[listed] > 0]
    uneven = occurrences.min() < occurrences.max()
    return Hubs(
        k=positions.shape[1],
        skewness=float(skew(occurrences)) if uneven else None,
        never=int(np.sum(occurrences == 0)),
        codes=listed,
        occurrences=occurrences[listed],
        misleading=misleading[listed],
    )
