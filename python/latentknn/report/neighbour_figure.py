"""A picture of queries and of what was found for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from latentknn.index import SearchResult
from latentknn.report.drawing import COLOURS, new_figure
from latentknn.report.image_grid import show_image

_WRONG = COLOURS[2]


def draw_neighbours(
    queries: ArrayLike,
    result: SearchResult,
    images: ArrayLike,
    *,
    labels: Sequence[object] | NDArray[np.generic] | None = None,
) -> Figure:
    """Draw query images, each with its nearest neighbours to the right, and their labels and similarities.

    Parameters
    ----------
    queries : array-like of shape (M, h, w) or (M, h, w, c)
        Images of the queries: uint8, or floats from 0 to 1. They may have another size than the database's.
    result : SearchResult
        What the index found for them, shape (M, k).
    images : array-like of shape (n, h, w) or (n, h, w, c)
        Images of the index, in order of position: those of codes that were removed left out, such as
        ``images[list(index)]`` where ids are the rows of `images`.
    labels : sequence of length M, optional
        True labels of the queries: what stands above each, and neighbours with other labels stand out.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig(path)`` writes it; notebooks with Matplotlib's pictures show it.

    Raises
    ------
    ModuleNotFoundError
        If Matplotlib is not installed; the message names the extra to install.
    TypeError
        If images are neither uint8 nor floats.
    ValueError
        If there are no queries, lengths do not fit together, images have a wrong shape or floats beyond 0 and
        1, or the result is of several classes or has a position for which there is no image.

    Examples
    --------
    >>> import latentknn as lk
    >>> digits = lk.datasets.load("digits")
    >>> index = lk.CosineIndex.from_codes(digits.train_images.reshape(-1, 64), digits.train_labels)
    >>> queries = digits.test_images[:3]
    >>> result = index.search(queries.reshape(-1, 64), k=4)
    >>> figure = lk.report.draw_neighbours(
    ...     queries, result, digits.train_images, labels=digits.test_labels[:3]
    ... )
    >>> len(figure.axes)
    15
    """
    shown, known = _as_pictures(queries, "queries"), _as_pictures(images, "images")
    named = None if labels is None else list(labels)
    if result.ids.ndim != 2 or result.ids.shape[0] != len(shown) or len(shown) == 0:
        raise ValueError(
            f"received {len(shown)} queries and a result of shape {result.ids.shape}; expected at least one "
            "query and a row of the result for each"
        )
    if named is not None and len(named) != len(shown):
        raise ValueError(f"received {len(shown)} queries and {len(named)} labels")
    if result.positions.size > 0 and int(result.positions.max()) >= len(known):
        raise ValueError(
            f"the result has position {result.positions.max()}, but there are {len(known)} images; pass "
            "those of all codes of the index, in order of insertion"
        )
    rows, columns = result.ids.shape
    neighbour_labels = result.labels
    figure = new_figure(1.1 * (columns + 1) + 0.4, 1.4 * rows + 0.2)
    grid = figure.subplots(rows, columns + 1, squeeze=False)
    for row in range(rows):
        show_image(grid[row, 0], shown[row])
        title = "query" if named is None else f"query\n{named[row]}"
        # A label may hold what Matplotlib takes for mathematics.
        grid[row, 0].set_title(title, fontsize=9, fontweight="bold", parse_math=False)
        for column, position in enumerate(result.positions[row]):
            axes = grid[row, column + 1]
            if position < 0:
                axes.set_axis_off()
                continue
            show_image(axes, known[position])
            label = None if neighbour_labels is None else neighbour_labels[row, column]
            wrong = named is not None and label is not None and label != named[row]
            said = f"{result.similarities[row, column]:.3f}"
            axes.set_title(
                said if label is None else f"{label}\n{said}",
                fontsize=9,
                color=_WRONG if wrong else "black",
                fontstyle="italic" if wrong else "normal",
                parse_math=False,
            )
    return figure


def _as_pictures(images: ArrayLike, name: str) -> NDArray[np.floating]:
    """Return images as floats from 0 to 1, shape (n, h, w, c)."""
    array = np.asarray(images)
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or 0 in array.shape[1:]:
        raise ValueError(f"{name} must have shape (n, h, w) or (n, h, w, c), received {np.shape(images)}")
    if array.dtype == np.uint8:
        return array / np.float32(255)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must be uint8, or floats from 0 to 1, received dtype {array.dtype}")
    if array.size > 0 and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"{name} go from {array.min()} to {array.max()}, expected 0 to 1")
    return array
