"""The results of an experiment compared with each other, and in words."""

from __future__ import annotations

from typing import NamedTuple

from latentknn.evaluation.classification import Classification
from latentknn.evaluation.experiment import Experiment
from latentknn.evaluation.paired import PairedTest


class Comparison(NamedTuple):
    """Two results of an experiment on the same test images.

    Attributes
    ----------
    first, second : str
        Names of the two results, which are attributes of `Experiment`.
    test : PairedTest
        Who is right where the other is wrong.
    sentence : str
        Which of the two is better, and whether the test images tell.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import compare_results, run_experiment
    >>> experiment = run_experiment(load("digits"), lambda images: images.reshape(len(images), -1))
    >>> [(each.first, each.second) for each in compare_results(experiment)]
    [('nearest', 'pixels')]
    """

    first: str
    second: str
    test: PairedTest
    sentence: str


_IN_WORDS = {
    "pixels": "the nearest image by raw pixels",
    "nearest": "the nearest code",
    "chosen": "the chosen vote of codes",
}


def compare_results(experiment: Experiment) -> list[Comparison]:
    """Compare the nearest code with raw pixels, and the chosen vote with the nearest code.

    Parameters
    ----------
    experiment : Experiment
        The experiment.

    Returns
    -------
    list of Comparison
        Where there are no pixels, the nearest code is compared with nothing. A vote that was chosen for a
        single neighbour is the nearest code, and compared with nothing.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import compare_results, run_experiment
    >>> experiment = run_experiment(load("digits"), lambda images: images.reshape(len(images), -1))
    >>> print(compare_results(experiment)[0].sentence)
    The nearest code and the nearest image by raw pixels get the same items right.
    """
    compared = [] if experiment.pixels is None else [("nearest", "pixels")]
    if experiment.chosen.vote != experiment.nearest.vote:
        compared.append(("chosen", "nearest"))
    return [_compare(experiment, first, second) for first, second in compared]


def _compare(experiment: Experiment, first: str, second: str) -> Comparison:
    results: tuple[Classification, Classification] = getattr(experiment, first), getattr(experiment, second)
    test = PairedTest.of(*(result.predictions == result.truth for result in results))
    return Comparison(first, second, test, test.sentence(_IN_WORDS[first], _IN_WORDS[second]))
