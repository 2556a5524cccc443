"""Thresholds of similarity, below which a query is of no class that is known."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.classification.appearance import calibration_html, calibration_text, said
from latentknn.notebook.one_line import one_line

F1 = "f1"
"""What is wanted where nothing else is: the largest harmonic mean of precision and recall."""


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """What each threshold of similarity makes of some queries, of which it accepts the most similar.

    A query is accepted if the similarity of its nearest code is at least the threshold. Some queries are
    positive, those that ought to be accepted, and the others negative; a true positive is a positive one that
    is accepted, a false positive a negative one [1]_. T is the number of distinct similarities.

    Attributes
    ----------
    thresholds : ndarray of shape (T,), float64
        Every similarity that a query has to its nearest code, descending.
    true_positives, false_positives : ndarray of shape (T,), int64
        How many positive and how many negative queries each threshold accepts.
    positives, negatives : int
        How many queries of either kind there are.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.classification import ThresholdCurve
    >>> curve = ThresholdCurve.of(np.array([0.9, 0.7, 0.8, 0.7]), np.array([True, True, False, False]))
    >>> curve.thresholds.tolist(), curve.precision.tolist(), curve.recall.tolist()
    ([0.9, 0.8, 0.7], [1.0, 0.5, 0.5], [0.5, 0.5, 1.0])
    """

    thresholds: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    positives: int
    negatives: int

    __repr__ = one_line

    @classmethod
    def of(cls, similarities: NDArray[np.float64], positive: NDArray[np.bool_]) -> ThresholdCurve:
        """Return the curve of some queries.

        Parameters
        ----------
        similarities : ndarray of shape (M,), float64
            Similarity of each query to its nearest code.
        positive : ndarray of shape (M,), bool
            Which queries are positive.

        Raises
        ------
        ValueError
            If these are not one number and one flag a query, or a similarity is no number.
        """
        similarities, positive = np.asarray(similarities, np.float64), np.asarray(positive, np.bool_)
        if similarities.ndim != 1 or positive.shape != similarities.shape:
            raise ValueError(
                f"received similarities of shape {similarities.shape} and flags of shape {positive.shape}, "
                "expected (M,) for both"
            )
        if np.isnan(similarities).any():
            raise ValueError(f"similarity {int(np.isnan(similarities).argmax())} is not a number")
        order = np.argsort(-similarities, kind="stable")
        thresholds = similarities[order]
        # A threshold accepts all queries of its similarity: the last of them counts.
        last = np.flatnonzero(thresholds != np.append(thresholds[1:], np.nan))
        true_positives = np.cumsum(positive[order], dtype=np.int64)[last]
        positives = int(np.count_nonzero(positive))
        return cls(
            thresholds[last], true_positives, last + 1 - true_positives, positives, len(positive) - positives
        )

    @property
    def accepted(self) -> NDArray[np.float64]:
        """Share of all queries that each threshold accepts, shape (T,)."""
        return (self.true_positives + self.false_positives) / (self.positives + self.negatives)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the accepted queries that are positive, shape (T,)."""
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the positive queries that are accepted, shape (T,); NaN where there are none."""
        return _share(self.true_positives, self.positives)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, shape (T,), and 0 where both are."""
        accepted = self.true_positives + self.false_positives
        return 2 * self.true_positives / (accepted + self.positives)

    @property
    def false_positive_rate(self) -> NDArray[np.float64]:
        """Share of the negative queries that are accepted, shape (T,); NaN where there are none."""
        return _share(self.false_positives, self.negatives)


@dataclass(frozen=True, eq=False)
class ThresholdCalibration:
    """The threshold that gives what was wanted on held-out queries, with the whole curve.

    Attributes
    ----------
    curve : ThresholdCurve
        What every threshold makes of the queries.
    position : int
        Which threshold of the curve was chosen.
    wanted : {"f1", "precision", "recall", "false_positive_rate"}
        What was wanted: the largest F1, or at least so much precision or recall, or at most such a rate.
    target : float or None
        How much was wanted; None for the largest F1.
    positive : {"right", "known"}
        Which queries are positive: those whose predicted class is theirs, or those of a class that is known.

    Examples
    --------
    >>> import latentknn as lk
    >>> clf = lk.CosineKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
    >>> calibration = clf.calibrate([[4.0, 3.0], [1.0, 9.0], [-1.0, 0.0]], ["right", "up", "left"], recall=1)
    >>> calibration.threshold, calibration.precision, calibration.false_positive_rate
    (0.8, 1.0, 0.0)
    """

    curve: ThresholdCurve
    position: int
    wanted: str
    target: float | None
    positive: str

    def __repr__(self) -> str:
        return calibration_text(self)

    def _repr_html_(self) -> str:
        return calibration_html(self)

    @property
    def threshold(self) -> float:
        """The smallest similarity to the nearest code with which a query is accepted."""
        return float(self.curve.thresholds[self.position])

    @property
    def accepted(self) -> float:
        """Share of the queries that the threshold accepts."""
        return float(self.curve.accepted[self.position])

    @property
    def precision(self) -> float:
        """Share of the accepted queries that are positive."""
        return float(self.curve.precision[self.position])

    @property
    def recall(self) -> float:
        """Share of the positive queries that are accepted."""
        return float(self.curve.recall[self.position])

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return float(self.curve.f1[self.position])

    @property
    def false_positive_rate(self) -> float:
        """Share of the negative queries that are accepted; NaN where there are none."""
        return float(self.curve.false_positive_rate[self.position])


def wanted_of(targets: dict[str, float | None]) -> tuple[str, float | None]:
    """Return what is wanted and how much of it, by the arguments of `CosineKNNClassifier.calibrate`.

    Raises
    ------
    ValueError
        If more than one thing is wanted, or a target is no share.
    """
    given = {name: target for name, target in targets.items() if target is not None}
    if not given:
        return F1, None
    if len(given) > 1:
        raise ValueError(f"one of {', '.join(targets)} can be wanted, received {' and '.join(given)}")
    ((wanted, target),) = given.items()
    if not isinstance(target, numbers.Real) or isinstance(target, bool) or not 0 <= target <= 1:
        raise ValueError(f"{wanted} must be a number from 0 to 1, received {target!r}")
    return wanted, float(target)


def choose(curve: ThresholdCurve, wanted: str, target: float | None) -> int:
    """Return the position of the threshold of a curve that gives what is wanted.

    Several thresholds may. For a precision or a false-positive rate it is the one of largest recall, and the
    highest among equal ones; for a recall or the largest F1, the highest.

    Raises
    ------
    ValueError
        If no threshold that accepts a positive query gives it; the message says the best that there is.
    """
    if target is None:
        return int(curve.f1.argmax())
    values = getattr(curve, wanted)
    at_most = wanted == "false_positive_rate"
    useful = curve.true_positives > 0
    reached = useful & (values <= target if at_most else values >= target)
    if not reached.any():
        best = values[useful].min() if at_most else values[useful].max()
        position = np.flatnonzero(useful & (values == best))[-1]
        raise ValueError(
            f"no threshold has {said(wanted, target)}: the best is {best:.6g}, where the similarity is at "
            f"least {curve.thresholds[position]:.6g}, with a recall of {curve.recall[position]:.6g}"
        )
    if wanted == "recall":
        return int(reached.argmax())
    return int(np.where(reached, curve.true_positives, -1).argmax())


def check_threshold(threshold: Any) -> float:
    """Return a threshold of similarity as a float.

    Raises
    ------
    ValueError
        If it is no number from -1 to 1.
    """
    number = isinstance(threshold, numbers.Real) and not isinstance(threshold, bool)
    if not number or not -1.0 <= float(threshold) <= 1.0:
        raise ValueError(f"threshold must be a similarity from -1 to 1, received {threshold!r}")
    return float(threshold)


def _share(counts: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / total if total else np.full(len(counts), math.nan)
    return shares
