"""What the page tells of an evaluation: examples of what is wrong, most telling ones first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation import CodeEvaluation
from latentknn.pages.looks import Look, Looks

NEIGHBOURS = 5
"""Nearest codes that are shown of an item."""

_PAIRS = 20
_PICTURES_OF_A_PAIR = 8
_GROUPS = 12
_ERRORS_OF_A_GROUP = 6
_SUSPECTS = 24
_DUPLICATES = 24


@dataclass(frozen=True)
class Neighbour:
    """One of an item's nearest codes, and whether it is of the item's own class."""

    look: Look
    class_name: str
    similarity: float
    agrees: bool


@dataclass(frozen=True)
class Example:
    """An item with its classes, the share of the predicted one in the vote, and its nearest codes."""

    look: Look
    truth: str
    predicted: str
    share: float
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class PairGroup:
    """A true class and another predicted one: how often, in what share of the true class, and examples.

    `truth_number` and `predicted_number` are the classes' numbers.
    """

    truth: str
    predicted: str
    truth_number: int
    predicted_number: int
    count: int
    share: float
    looks: tuple[Look, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Suspect:
    """An item whose label is suspected, the label that its neighbours have, and the suspicion."""

    example: Example
    suggestion: str
    suspicion: float


@dataclass(frozen=True)
class Duplicate:
    """An item and a code that are almost the same."""

    item: Look
    code: Look
    similarity: float
    same_class: bool


@dataclass(frozen=True)
class Hub:
    """A code with the number of items that it is near to, and of those that are of another class."""

    look: Look
    occurrences: int
    misleading: int


@dataclass(frozen=True)
class Outlier:
    """An item that is unlike every code, with its distance."""

    example: Example
    distance: float


@dataclass(frozen=True)
class Findings:
    """Everything of an evaluation that the page shows with pictures or texts."""

    pairs: tuple[PairGroup, ...]
    groups: tuple[PairGroup, ...]
    suspects: tuple[Suspect, ...]
    duplicates: tuple[Duplicate, ...]
    hubs: tuple[Hub, ...]
    outliers: tuple[Outlier, ...]

    @classmethod
    def of(cls, evaluation: CodeEvaluation, looks: Looks) -> Findings:
        """Choose what to show of an evaluation."""
        pairs = tuple(_pair_groups(evaluation, looks))
        hubs, outliers = evaluation.hubs, evaluation.outliers
        suspects = evaluation.label_errors
        return cls(
            pairs=pairs,
            groups=pairs[:_GROUPS],
            suspects=tuple(
                Suspect(example(evaluation, looks, item), suggestion, suspicion)
                for item, suggestion, suspicion in zip(
                    suspects.items[:_SUSPECTS].tolist(),
                    suspects.suggestions[:_SUSPECTS],
                    suspects.suspicions[:_SUSPECTS].tolist(),
                    strict=True,
                )
            ),
            duplicates=tuple(_duplicates(evaluation, looks)),
            hubs=tuple(
                Hub(looks.code(code), occurrences, misleading)
                for code, occurrences, misleading in zip(
                    hubs.codes.tolist(), hubs.occurrences.tolist(), hubs.misleading.tolist(), strict=True
                )
            ),
            outliers=tuple(
                Outlier(example(evaluation, looks, item), distance)
                for item, distance in zip(outliers.items.tolist(), outliers.distances.tolist(), strict=True)
            ),
        )


def example(evaluation: CodeEvaluation, looks: Looks, item: int) -> Example:
    """Return an item with its nearest codes."""
    names, items = evaluation.class_names, evaluation.items
    truth = int(items.classes[item])
    neighbours = zip(
        items.neighbours[item, :NEIGHBOURS].tolist(),
        items.neighbour_classes[item, :NEIGHBOURS].tolist(),
        items.similarities[item, :NEIGHBOURS].tolist(),
        strict=True,
    )
    return Example(
        look=looks.item(item),
        truth=names[truth],
        predicted=names[items.predictions[item]],
        share=float(items.shares[item]),
        neighbours=tuple(
            Neighbour(looks.code(code), names[number], similarity, number == truth)
            for code, number, similarity in neighbours
        ),
    )


def known_code_classes(evaluation: CodeEvaluation) -> list[str]:
    """Return the name of every searched code's class, or "" of one that is no item's neighbour."""
    items = evaluation.items
    if evaluation.protocol == "leave-one-out":
        return [evaluation.class_names[number] for number in items.classes.tolist()]
    numbers = np.full(evaluation.codes, -1)
    numbers[items.neighbours.ravel()] = items.neighbour_classes.ravel()
    return [evaluation.class_names[number] if number >= 0 else "" for number in numbers.tolist()]


def _pair_groups(evaluation: CodeEvaluation, looks: Looks) -> Iterator[PairGroup]:
    number_of = {name: number for number, name in enumerate(evaluation.class_names)}
    for place, pair in enumerate(evaluation.confused[:_PAIRS]):
        truth, predicted = number_of[pair.truth], number_of[pair.predicted]
        wrong = _most_confident(evaluation, truth, predicted)
        shown = wrong[:_ERRORS_OF_A_GROUP] if place < _GROUPS else []
        yield PairGroup(
            pair.truth,
            pair.predicted,
            truth,
            predicted,
            pair.count,
            pair.share,
            tuple(looks.item(item) for item in wrong[:_PICTURES_OF_A_PAIR]),
            tuple(example(evaluation, looks, item) for item in shown),
        )


def _most_confident(evaluation: CodeEvaluation, truth: int, predicted: int) -> list[int]:
    """Return the items of a class that are taken for another, those with the largest shares first."""
    items = evaluation.items
    wrong: NDArray[np.intp] = np.flatnonzero((items.classes == truth) & (items.predictions == predicted))
    order = np.lexsort((-items.similarities[wrong, 0], -items.shares[wrong]))
    found: list[int] = wrong[order].tolist()
    return found


def _duplicates(evaluation: CodeEvaluation, looks: Looks) -> Iterator[Duplicate]:
    """Yield the pairs of different classes first, then the most similar ones."""
    pairs = evaluation.duplicates
    for number in np.argsort(pairs.same_class, kind="stable")[:_DUPLICATES].tolist():
        yield Duplicate(
            looks.item(int(pairs.items[number])),
            looks.code(int(pairs.codes[number])),
            float(pairs.similarities[number]),
            bool(pairs.same_class[number]),
        )
