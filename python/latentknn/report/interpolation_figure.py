"""A picture of the images that are decoded between two codes."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.image_grid import draw_image_grid

STEPS = 10
"""Number of images from one end to the other, both included."""


def draw_interpolation(
    decode: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    first: NDArray[np.float32],
    last: NDArray[np.float32],
    names: Sequence[str],
) -> Figure:
    """Draw the images that are decoded on the straight line between two codes, one row a pair of codes.

    Parameters
    ----------
    decode : callable
        Function that turns codes (n, d) into images (n, H, W, C) from 0 to 1.
    first, last : ndarray of float32, shape (rows, d)
        Codes at the left and the right end.
    names : sequence of str
        Names of the rows.
    """
    shares = np.linspace(0, 1, STEPS, dtype=np.float32)[:, np.newaxis]
    codes = np.concatenate([(1 - shares) * a + shares * b for a, b in zip(first, last, strict=True)])
    images = decode(codes)
    return draw_image_grid(images.reshape(len(first), STEPS, *images.shape[1:]), names)
