"""The places of items in the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows
from latentknn.evaluation import project

MOST_POINTS = 10_000
"""Points of a map: as many move smoothly in a browser, and are placed in minutes."""

_FEWEST_POINTS = 3


@dataclass(frozen=True, eq=False)
class PlacedItems:
    """Some items with their places.

    Attributes
    ----------
    items : ndarray of shape (p,), intp
        Positions of the items, ascending.
    places : ndarray of shape (p, 2), float32
        Their places.
    method : str
        How they were placed.
    """

    items: NDArray[np.intp]
    places: NDArray[np.float32]
    method: str


def place_items(codes: ArrayLike, count: int, seed: int) -> PlacedItems | None:
    """Place items by their codes, or return None if there are too few for a map.

    Parameters
    ----------
    codes : array-like of shape (M, d)
        The codes of all items. Of more than 10,000 some are chosen at random.
    count : int
        Number of items.
    seed : int
        Seed of the choice and of the placement.

    Raises
    ------
    ValueError
        If there are not as many codes as items.
    """
    rows = as_rows(codes, "codes")
    if len(rows) != count:
        raise ValueError(f"codes must be those of the {count:,} items, received {len(rows):,}")
    if count < _FEWEST_POINTS:
        return None
    items = np.arange(count)
    if count > MOST_POINTS:
        items = np.sort(np.random.default_rng(seed).choice(count, MOST_POINTS, replace=False))
    return PlacedItems(items, project(np.asarray(rows[items], np.float32), seed), "t-SNE")
