"""What lies between two codes, as a picture."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.image_grid import draw_image_grid

STEPS = 10
"""Images from one end to the other."""


def draw_interpolation(
    decode: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    first: NDArray[np.float32],
    last: NDArray[np.float32],
    names: Sequence[str],
) -> Figure:
    """Draw what a decoder makes of codes on the straight line between two codes, one row for a pair.

    Parameters
    ----------
    decode : callable
        From codes (n, d) to images (n, H, W, C) from 0 to 1.
    first, last : ndarray of float32, shape (rows, d)
        Codes at the left and the right end.
    names : sequence of str
        Names of the rows.
    """
    shares = np.linspace(0, 1, STEPS, dtype=np.float32)[:, np.newaxis]
    codes = np.concatenate([(1 - shares) * a + shares * b for a, b in zip(first, last, strict=True)])
    images = decode(codes)
    return draw_image_grid(images.reshape(len(first), STEPS, *images.shape[1:]), names)
