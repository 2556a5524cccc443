"""A picture of images, their codes and the images decoded from them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.drawing import new_figure
from latentknn.report.image_grid import label_row, show_image


def draw_codes(
    originals: NDArray[Any],
    codes: NDArray[np.float32],
    decoded: NDArray[np.float32],
    names: Sequence[str],
) -> Figure:
    """Draw each image above its code, a square of coloured cells, and above the image decoded from it.

    Parameters
    ----------
    originals : ndarray of uint8, shape (n, H, W) or (n, H, W, C)
        Pixels from 0 to 255.
    codes : ndarray of float32, shape (n, d)
        Codes of the images, drawn line by line: blue is negative, red is positive, and all have one scale.
    decoded : ndarray of float32, shape (n, H, W, C)
        Pixels from 0 to 1.
    names : sequence of str
        Class name of every image.
    """
    count, dim = codes.shape
    figure = new_figure(1.1 * count + 1.2, 3.6)
    grid = figure.subplots(3, count, squeeze=False)
    scaled_originals = originals.reshape(decoded.shape) / np.float32(255)
    side = math.ceil(math.sqrt(dim))
    # The largest value as the limit could leave all others pale.
    limit = float(np.quantile(np.abs(codes), 0.99)) or 1.0
    for column, name in enumerate(names):
        grid[0, column].set_title(name, fontsize=9)
        show_image(grid[0, column], scaled_originals[column])
        cells = np.full(side * math.ceil(dim / side), np.nan, np.float32)
        cells[:dim] = codes[column]
        grid[1, column].set_axis_off()
        picture = grid[1, column].imshow(cells.reshape(-1, side), cmap="RdBu_r", vmin=-limit, vmax=limit)
        show_image(grid[2, column], decoded[column])
    for row, label in enumerate(("original", f"code of {dim}", "decoded")):
        label_row(grid[row, 0], label)
    figure.colorbar(picture, ax=grid[1, :].tolist(), aspect=8, pad=0.01)
    return figure
