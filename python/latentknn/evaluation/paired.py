"""A paired test of two classifiers: who is right where the other is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest  # type: ignore[import-untyped]  # a dependency of scikit-learn

from latentknn.evaluation.accuracy import check_confidence

LEVEL = 0.05
"""The p-value below which a sentence calls a difference more than chance."""


@dataclass(frozen=True)
class PairedTest:
    """McNemar's exact test of two classifiers that answered the same items.

    Items that both get right, or both wrong, do not tell the two apart. If neither is better, each of the
    other items is as likely to be right in the first as in the second.

    Parameters
    ----------
    only_first, only_second : int
        Items that the first gets right and the second wrong, and the other way round.
    total : int
        Number of all items, at least 1.

    Raises
    ------
    ValueError
        If the numbers are out of range.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947. T. G. Dietterich, "Approximate Statistical Tests for Comparing Supervised
    Classification Learning Algorithms", Neural Computation 10, 1998.

    Examples
    --------
    >>> from latentknn.evaluation import PairedTest
    >>> test = PairedTest(only_first=12, only_second=3, total=500)
    >>> f"{test.difference:.3f} {test.p_value:.4f}"
    '0.018 0.0352'
    >>> low, high = test.difference_interval()
    >>> f"{low:.4f} to {high:.4f}"
    '0.0011 to 0.0274'
    """

    only_first: int
    only_second: int
    total: int

    def __post_init__(self) -> None:
        if self.total < 1 or min(self.only_first, self.only_second) < 0 or self.differing > self.total:
            raise ValueError(
                f"received {self.only_first} and {self.only_second} items that one of two gets right, of "
                f"{self.total} items"
            )

    @classmethod
    def of(cls, first_right: ArrayLike, second_right: ArrayLike) -> PairedTest:
        """Count two arrays of flags, bool, shape (M,): which items either gets right.

        Raises
        ------
        ValueError
            If the shapes differ or there are no items.
        """
        first, second = np.asarray(first_right, np.bool_), np.asarray(second_right, np.bool_)
        if first.shape != second.shape or first.ndim != 1:
            raise ValueError(
                f"a paired test needs two answers to each item, received shapes {first.shape} and "
                f"{second.shape}"
            )
        return cls(int(np.sum(first & ~second)), int(np.sum(second & ~first)), len(first))

    @property
    def differing(self) -> int:
        """Number of items that exactly one of the two gets right."""
        return self.only_first + self.only_second

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second, from -1 to 1."""
        return (self.only_first - self.only_second) / self.total

    @property
    def p_value(self) -> float:
        """Probability of numbers at least this unequal if neither is better: two-sided, exact binomial."""
        return float(self._binomial().pvalue) if self.differing else 1.0

    def difference_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return an interval for `difference`, which leaves out 0 exactly where the test rejects.

        The number of differing items is taken as given; the interval is Clopper's and Pearson's for the share
        of them that the first gets right.

        Parameters
        ----------
        confidence : float
            Probability, between 0 and 1, that such an interval covers the true value.

        Returns
        -------
        tuple of float
            Lower and upper end, from -1 to 1.

        Raises
        ------
        ValueError
            If `confidence` is not between 0 and 1.

        References
        ----------
        C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
        binomial", Biometrika 26, 1934.
        """
        check_confidence(confidence)
        if not self.differing:
            return 0.0, 0.0
        share = self._binomial().proportion_ci(confidence, method="exact")
        scale = self.differing / self.total
        return float(scale * (2 * share.low - 1)), float(scale * (2 * share.high - 1))

    def sentence(self, first: str, second: str, corrected: float | None = None) -> str:
        """Say in words which of the two is better, and whether the items tell.

        Parameters
        ----------
        first, second : str
            Names of the two.
        corrected : float, optional
            The p-value to go by where several tests were corrected together; by default that of this test.

        Returns
        -------
        str
            A sentence, which begins with a capital letter where it begins with a letter.
        """
        sentence = self._in_words(first, second, corrected)
        return sentence[0].upper() + sentence[1:]

    def _in_words(self, first: str, second: str, corrected: float | None) -> str:
        if self.only_first < self.only_second:
            mirrored = PairedTest(self.only_second, self.only_first, self.total)
            return mirrored._in_words(second, first, corrected)
        if not self.differing:
            return f"{first} and {second} get the same items right."
        if self.only_first == self.only_second:
            return (
                f"{first} and {second} are equally accurate: each gets {self.only_first:,} items right that "
                "the other gets wrong."
            )
        p_value = self.p_value if corrected is None else corrected
        tells = p_value < LEVEL
        verdict = f"{first} is better than {second}" if tells else f"{first} may be better than {second}"
        doubt = "" if tells else ", but these items do not tell"
        low, high = self.difference_interval()
        return (
            f"{verdict}{doubt}: it gets {self.only_first:,} items right that the other gets wrong, and "
            f"{self.only_second:,} the other way round ({self.difference:+.4f}, 95 % interval {low:+.4f} to "
            f"{high:+.4f}; McNemar's exact test, p = {p_value:.2g}"
            f"{'' if corrected is None else ' after correction'})."
        )

    def _binomial(self) -> Any:
        return binomtest(self.only_first, self.differing)
