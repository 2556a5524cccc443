"""A picture of images in rows and columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.drawing import new_figure


def draw_image_grid(
    images: NDArray[np.floating[Any]], row_labels: Sequence[str], column_titles: Sequence[str] = ()
) -> Figure:
    """Draw images in rows and columns.

    Parameters
    ----------
    images : ndarray of float, shape (rows, columns, H, W, C)
        Pixels from 0 to 1.
    row_labels : sequence of str
        One label for every row, to its left; labels may be empty strings.
    column_titles : sequence of str
        One title for every column, above it; an empty sequence draws no titles.
    """
    rows, columns, height, width, _ = images.shape
    cell_height = 1.1 * min(max(height / width, 0.5), 2.0)
    figure = new_figure(1.1 * columns + 0.4, cell_height * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, image in zip(grid.flat, images.reshape(-1, *images.shape[2:]), strict=True):
        show_image(axes, image)
    for row, label in enumerate(row_labels):
        label_row(grid[row, 0], label)
    for column, title in enumerate(column_titles):
        grid[0, column].set_title(title, fontsize=9)
    return figure


def show_image(axes: Axes, image: NDArray[np.floating[Any]]) -> None:
    """Draw an image (H, W, C) from 0 to 1: three channels as colours, any other number as their mean."""
    shown = image if image.shape[-1] == 3 else image.mean(axis=-1)
    axes.set_axis_off()
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def label_row(axes: Axes, label: str) -> None:
    """Write a label to the left of the first image of a row, from bottom to top."""
    axes.text(
        -0.12,
        0.5,
        label,
        transform=axes.transAxes,
        rotation=90,
        ha="right",
        va="center",
        fontsize=9,
    )
