"""What a decoder makes of the codes of items, beside the items; and images that a model generates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.pages.looks import Look, Looks, as_shares

_TYPICAL, _WORST = 20, 12
"""Pairs that are shown: one of each class before a second of any, and those that differ the most."""

MOST_SAMPLES = 64
"""Generated images that are shown."""

_COMPARED_AT_ONCE = 1024


@dataclass(frozen=True)
class Rebuilt:
    """An item's picture, its reconstruction, and the mean squared difference of their pixels from 0 to 1."""

    original: Look
    reconstruction: Look
    error: float


@dataclass(frozen=True)
class Reconstructions:
    """What the page shows of reconstructions.

    Attributes
    ----------
    mean_error : float
        Mean squared difference over all items.
    typical, worst : tuple of Rebuilt
        The first items of each class, and those that differ the most, the worst first.
    """

    mean_error: float
    typical: tuple[Rebuilt, ...]
    worst: tuple[Rebuilt, ...]

    @classmethod
    def of(
        cls,
        pictures: NDArray[Any],
        reconstructions: NDArray[Any],
        classes: NDArray[np.int64],
        looks: Looks,
    ) -> Reconstructions:
        """Compare pictures of all items with their reconstructions, and choose what to show."""
        errors = _errors(pictures, reconstructions)

        def pair(item: int) -> Rebuilt:
            return Rebuilt(looks.item(item), looks.reconstruction(item), float(errors[item]))

        return cls(
            mean_error=float(errors.mean()),
            typical=tuple(pair(item) for item in _one_of_each(classes)[:_TYPICAL].tolist()),
            worst=tuple(pair(item) for item in np.argsort(-errors, kind="stable")[:_WORST].tolist()),
        )


def _errors(pictures: NDArray[Any], reconstructions: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean squared difference of each pair, shape (M,)."""
    errors = np.empty(len(pictures))
    for first in range(0, len(pictures), _COMPARED_AT_ONCE):
        part = slice(first, first + _COMPARED_AT_ONCE)
        difference = as_shares(pictures[part]) - as_shares(reconstructions[part])
        errors[part] = np.square(difference).mean(axis=(1, 2, 3))
    return errors


def _one_of_each(classes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the positions of items, the first of every class before the second of any."""
    order = np.argsort(classes, kind="stable")
    sorted_classes = classes[order]
    rank = np.arange(len(classes)) - np.searchsorted(sorted_classes, sorted_classes)
    return order[np.argsort(rank, kind="stable")]
