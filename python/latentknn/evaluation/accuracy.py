"""The share of correct answers, and its confidence interval."""

import math
from dataclasses import dataclass
from statistics import NormalDist


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless a confidence is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, received {confidence}")


def standard_score(confidence: float) -> float:
    """Return the half-width, in standard deviations, of a normal interval of this confidence."""
    check_confidence(confidence)
    return NormalDist().inv_cdf((1 + confidence) / 2)


@dataclass(frozen=True)
class Accuracy:
    """The share of correct answers in a number of trials.

    Parameters
    ----------
    correct : int
        Number of correct answers, from 0 to `total`.
    total : int
        Number of all answers, at least 1.

    Raises
    ------
    ValueError
        If the numbers are out of range.

    Examples
    --------
    >>> from latentknn.evaluation import Accuracy
    >>> accuracy = Accuracy(correct=481, total=500)
    >>> accuracy.value
    0.962
    >>> print(accuracy)
    0.9620 [0.9414, 0.9755]
    """

    correct: int
    total: int

    def __post_init__(self) -> None:
        if self.total < 1 or not 0 <= self.correct <= self.total:
            raise ValueError(f"received {self.correct} correct answers of {self.total}")

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.4f} [{low:.4f}, {high:.4f}]"

    @property
    def value(self) -> float:
        """The share of correct answers, from 0 to 1."""
        return self.correct / self.total

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return Wilson's score interval for the probability of a correct answer.

        Parameters
        ----------
        confidence : float
            Probability, between 0 and 1, that such an interval covers the true value.

        Returns
        -------
        tuple of float
            Lower and upper end, from 0 to 1.

        Raises
        ------
        ValueError
            If `confidence` is not between 0 and 1.

        References
        ----------
        E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the
        American Statistical Association 22, 1927.
        """
        z = standard_score(confidence)
        n, p = self.total, self.value
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half_width = math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) * z / (1 + z**2 / n)
        return max(0.0, centre - half_width), min(1.0, centre + half_width)
