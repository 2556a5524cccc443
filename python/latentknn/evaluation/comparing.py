"""The comparison of several runs that classified the same items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean, stdev

import numpy as np

from latentknn.evaluation.accuracy import Accuracy
from latentknn.evaluation.json_text import from_json, to_json
from latentknn.evaluation.paired import PairedTest
from latentknn.notebook.one_line import one_line


@dataclass(frozen=True)
class Answers:
    """What a run answered.

    Parameters
    ----------
    name : str
        Name of the run.
    labels : sequence of str
        True class of each item.
    predictions : sequence of str
        Predicted class of each item.
    vote : str
        The vote, in words.
    settings : str
        Everything that was set but the seed, in words: runs with the same settings differ by their seeds.
    seed : int, optional
        Seed of the training.
    history : mapping of str to sequence of float
        Losses and metrics of every epoch of the training, if there was one.

    Raises
    ------
    ValueError
        If there are no items, or not as many predictions as labels.

    Examples
    --------
    >>> from latentknn.evaluation import Answers
    >>> truth = ["cat", "dog"] * 20
    >>> first = Answers("first", truth, truth, "k = 1", "10 epochs")
    >>> print(first.accuracy)
    1.0000 [0.9124, 1.0000]
    """

    name: str
    labels: Sequence[str]
    predictions: Sequence[str]
    vote: str
    settings: str
    seed: int | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)

    __repr__ = one_line

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.predictions) or not self.labels:
            raise ValueError(
                f"{self.name} has {len(self.predictions)} predictions for {len(self.labels)} items"
            )

    @property
    def right(self) -> list[bool]:
        """Which predictions are right."""
        return [label == predicted for label, predicted in zip(self.labels, self.predictions, strict=True)]

    @property
    def accuracy(self) -> Accuracy:
        """The share of right predictions."""
        return Accuracy(sum(self.right), len(self.labels))


@dataclass(frozen=True)
class ComparedPair:
    """Two runs, the more accurate one first.

    Attributes
    ----------
    first, second : str
        Their names.
    test : PairedTest
        Who is right where the other is wrong.
    corrected : float
        The p-value of the test after Holm's correction for all pairs that are compared.
    """

    first: str
    second: str
    test: PairedTest
    corrected: float


@dataclass(frozen=True)
class Seeds:
    """Runs that differ by their seeds alone.

    Attributes
    ----------
    runs : tuple of str
        Their names.
    mean, deviation, lowest, highest : float
        Mean, standard deviation (of a sample), least and largest of their accuracies.
    """

    runs: tuple[str, ...]
    mean: float
    deviation: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class CurvePoint:
    """A quantity after an epoch, over the seeds of runs that reached it.

    Attributes
    ----------
    runs : tuple of str
        Names of the runs that reached it.
    quantity : str
        Name of the loss or metric.
    epoch : int
        The epoch, counted from 1.
    mean, lowest, highest : float
        Over these runs.
    """

    runs: tuple[str, ...]
    quantity: str
    epoch: int
    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class ComparedRuns:
    """Runs that classified the same items, and what they are worth beside each other; see `compare_runs`.

    Attributes
    ----------
    runs : tuple of Answers
        The runs, in the order of the arguments.
    pairs : tuple of ComparedPair
        All pairs of runs; in the order of `runs`, but for the more accurate one of a pair, which is first.
    seeds : tuple of Seeds
        Runs that differ by their seeds, where there are at least two.
    curves : tuple of CurvePoint
        Their losses and metrics over the epochs.

    Examples
    --------
    >>> from latentknn.evaluation import Answers, compare_runs
    >>> truth = ["cat", "dog"] * 20
    >>> first = Answers("first", truth, truth, "k = 1", "10 epochs")
    >>> second = Answers("second", truth, ["cat"] * 40, "k = 1", "5 epochs")
    >>> compared = compare_runs([first, second])
    >>> compared.best.name, len(compared.pairs)
    ('first', 1)
    """

    runs: tuple[Answers, ...]
    pairs: tuple[ComparedPair, ...]
    seeds: tuple[Seeds, ...]
    curves: tuple[CurvePoint, ...]

    @property
    def best(self) -> Answers:
        """The most accurate run; of equally accurate ones, the first."""
        return max(self.runs, key=lambda run: run.accuracy.correct)

    def sentences(self) -> list[str]:
        """Say of each pair which is better, and whether the items tell, after correction for all pairs."""
        several = len(self.pairs) > 1
        return [
            pair.test.sentence(f"{pair.first!r}", f"{pair.second!r}", pair.corrected if several else None)
            for pair in self.pairs
        ]

    def to_json(self) -> str:
        """Return all values as JSON; `from_json` reads it."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ComparedRuns:
        """Read what `to_json` returned.

        Raises
        ------
        ValueError
            If the text is no comparison; the message names the first wrong value.
        """
        return from_json(text, cls)


def compare_runs(runs: Sequence[Answers]) -> ComparedRuns:
    """Compare runs by McNemar's exact test of who is right where the other is wrong.

    Parameters
    ----------
    runs : sequence of Answers
        At least two runs over the same items in the same order, with different names.

    Returns
    -------
    ComparedRuns

    Raises
    ------
    ValueError
        If there are fewer than two, names are not distinct, or the items differ, as far as their number and
        labels tell.

    Notes
    -----
    The p-values of all pairs are corrected together: among many runs that are equally good, some pair would
    look different by chance. A test of two runs tells about these two trained models; whether one way of
    training is better than another, several seeds tell.

    References
    ----------
    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6,
    1979.

    Examples
    --------
    >>> from latentknn.evaluation import Answers, compare_runs
    >>> labels = ["cat", "dog"] * 10
    >>> runs = [
    ...     Answers("old", labels, ["cat"] * 20, "k = 1", "old"),
    ...     Answers("new", labels, labels, "k = 1", "new"),
    ... ]
    >>> print(compare_runs(runs).sentences()[0][:48])
    'new' is better than 'old': it gets 10 items rig
    """
    if len(runs) < 2:
        raise ValueError(f"received {len(runs)} runs, expected at least two")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise ValueError(f"runs must have different names, received {', '.join(names)}")
    for run in runs[1:]:
        _check_same_items(runs[0], run)
    tested = [_in_order(first, second) for first, second in combinations(runs, 2)]
    tests = [PairedTest.of(first.right, second.right) for first, second in tested]
    corrected = holm([test.p_value for test in tests])
    groups = defaultdict(list)
    for run in runs:
        groups[run.settings].append(run)
    repeated = [group for group in groups.values() if len({run.seed for run in group} - {None}) > 1]
    return ComparedRuns(
        tuple(runs),
        tuple(
            ComparedPair(first.name, second.name, test, p_value)
            for (first, second), test, p_value in zip(tested, tests, corrected, strict=True)
        ),
        tuple(_over_seeds(group) for group in repeated),
        tuple(point for group in repeated for point in _curves(group)),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values after Holm's correction, in the same order."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, np.asarray(p_values)[order] * factors))
    return [float(p_value) for p_value in corrected]


def _in_order(first: Answers, second: Answers) -> tuple[Answers, Answers]:
    return (second, first) if second.accuracy.correct > first.accuracy.correct else (first, second)


def _check_same_items(first: Answers, other: Answers) -> None:
    if len(first.labels) != len(other.labels):
        raise ValueError(
            f"{first.name} has {len(first.labels)} items and {other.name} has {len(other.labels)}; only runs "
            "over the same items can be compared"
        )
    for item, (label, found) in enumerate(zip(first.labels, other.labels, strict=True)):
        if label != found:
            raise ValueError(
                f"item {item} is {label!r} in {first.name} and {found!r} in {other.name}; only runs over the "
                "same items in the same order can be compared"
            )


def _over_seeds(group: Sequence[Answers]) -> Seeds:
    values = [run.accuracy.value for run in group]
    return Seeds(_names(group), mean(values), stdev(values), min(values), max(values))


def _curves(group: Sequence[Answers]) -> Iterator[CurvePoint]:
    for quantity in dict.fromkeys(name for run in group for name in run.history):
        measured = [run for run in group if quantity in run.history]
        for epoch in range(max(len(run.history[quantity]) for run in measured)):
            reached = [run for run in measured if epoch < len(run.history[quantity])]
            values = [run.history[quantity][epoch] for run in reached]
            yield CurvePoint(_names(reached), quantity, epoch + 1, mean(values), min(values), max(values))


def _names(group: Sequence[Answers]) -> tuple[str, ...]:
    return tuple(run.name for run in group)
