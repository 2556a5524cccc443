"""Calibration: whether a class that gets a share of the votes is right as often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation.accuracy import Accuracy

_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """The items whose predicted class has a share of the votes above `low` and up to `high`.

    Attributes
    ----------
    low, high : float
        Bounds of the share; the lowest bin begins with 0, which it contains.
    mean_share : float
        Mean share of these items' predicted class.
    accuracy : Accuracy
        How many of them are right, with an interval.

    Examples
    --------
    >>> from latentknn.evaluation import Accuracy
    >>> from latentknn.evaluation.measures import CalibrationBin
    >>> CalibrationBin(0.8, 0.9, mean_share=0.86, accuracy=Accuracy(41, 50)).accuracy.value
    0.82
    """

    low: float
    high: float
    mean_share: float
    accuracy: Accuracy


@dataclass(frozen=True)
class Calibration:
    """The reliability of the winning class's share in the vote.

    Attributes
    ----------
    bins : tuple of CalibrationBin
        The reliability curve: bins of equal width that contain items, the lowest shares first.
    expected_error : float
        The expected calibration error: the mean over all items of how far the mean share of the item's bin is
        from the bin's accuracy [1]_.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       after M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> calibration = evaluation.calibration
    >>> sum(each.accuracy.total for each in calibration.bins), 0 <= calibration.expected_error <= 1
    (40, True)
    """

    bins: tuple[CalibrationBin, ...]
    expected_error: float


def measure_calibration(shares: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Sort items into ten bins by the share of their predicted class.

    Parameters
    ----------
    shares : ndarray of shape (M,), float64
        Share of each item's predicted class in its votes, from 0 to 1; at least one item.
    right : ndarray of shape (M,), bool
        Which predictions are right.
    """
    edges = np.linspace(0, 1, _BINS + 1)
    numbers = np.searchsorted(edges[1:-1], shares)
    bins = []
    for number in np.unique(numbers).tolist():
        inside = numbers == number
        accuracy = Accuracy(int(right[inside].sum()), int(inside.sum()))
        low, high = edges[number : number + 2].tolist()
        bins.append(CalibrationBin(low, high, float(shares[inside].mean()), accuracy))
    error = sum(each.accuracy.total * abs(each.accuracy.value - each.mean_share) for each in bins)
    return Calibration(tuple(bins), error / len(shares))
