"""The places of items in the plane."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows
from latentknn.evaluation import project
from latentknn.index import CosineIndex

MOST_POINTS = 10_000
"""Points of a map: as many move smoothly in a browser, and are placed in minutes."""

_FEWEST_POINTS = 3
_NEIGHBOURS = 15
"""Neighbours of a point in UMAP's graph, itself among them; UMAP's default."""

_FEWEST_POINTS_OF_UMAP = 50
"""UMAP places fewer points than a few neighbourhoods badly, and warns of it."""


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

    UMAP places them where it is installed, otherwise t-SNE.

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
    chosen = np.asarray(rows[items], np.float32)
    if placed_by_umap(count):
        return PlacedItems(items, _project_by_umap(chosen, seed), "UMAP")
    return PlacedItems(items, project(chosen, seed), "t-SNE")


def placed_by_umap(count: int) -> bool:
    """Whether UMAP places so many items: it is installed, and they are enough for it."""
    return count >= _FEWEST_POINTS_OF_UMAP and find_spec("umap") is not None


def _project_by_umap(codes: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Place codes by UMAP, from their exact nearest neighbours instead of those that it would guess.

    References
    ----------
    L. McInnes, J. Healy, J. Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
    Reduction", 2018.
    """
    from umap import UMAP

    found = CosineIndex.from_codes(codes).search(codes, _NEIGHBOURS, scores64=True)
    distances = (1 - found.scores).astype(np.float32)
    # On several threads UMAP places points by chance.
    reducer = UMAP(
        n_neighbors=_NEIGHBOURS,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(found.positions, distances, None),
    )
    with warnings.catch_warnings():
        # It has no index of its own to place further codes by, which nobody asks for.
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)
        return np.asarray(reducer.fit_transform(codes), np.float32)
