"""A picture of images and their reconstructions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.drawing import new_figure
from latentknn.report.image_grid import label_row, show_image

COLUMNS = 10
"""Largest number of images in a row of the picture."""


def choose_examples(labels: NDArray[np.integer[Any]], rows: int = 2) -> NDArray[np.intp]:
    """Return positions of up to ``COLUMNS * rows`` images, with one of every class before a second of any.

    Parameters
    ----------
    labels : ndarray of shape (n,), integer
        Class of every image.
    rows : int
        Number of rows of the picture.

    Returns
    -------
    ndarray of intp
        Positions, sorted by rank within the class and then by class.
    """
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    rank = np.arange(len(labels)) - np.searchsorted(sorted_labels, sorted_labels)
    return order[np.argsort(rank, kind="stable")][: COLUMNS * rows]


def draw_reconstructions(
    originals: NDArray[Any], reconstructions: NDArray[np.float32], names: Sequence[str]
) -> Figure:
    """Draw each reconstruction under its original.

    Parameters
    ----------
    originals : ndarray of uint8, shape (n, H, W) or (n, H, W, C)
        Pixels from 0 to 255.
    reconstructions : ndarray of float32, shape (n, H, W, C)
        Pixels from 0 to 1.
    names : sequence of str
        Class name of every image.
    """
    pairs = -(-len(originals) // COLUMNS)
    figure = new_figure(1.1 * COLUMNS, 2.42 * pairs)
    grid = figure.subplots(2 * pairs, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    scaled_originals = originals.reshape(reconstructions.shape) / np.float32(255)
    for position, name in enumerate(names):
        row, column = 2 * (position // COLUMNS), position % COLUMNS
        grid[row, column].set_title(name, fontsize=9)
        show_image(grid[row, column], scaled_originals[position])
        show_image(grid[row + 1, column], reconstructions[position])
    for row in range(2 * pairs):
        label_row(grid[row, 0], "reconstruction" if row % 2 else "original")
    return figure
