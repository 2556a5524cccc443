"""A picture of the images that a model generates after each epoch."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.image_grid import draw_image_grid

_MOST_ROWS = 6


def draw_samples(samples: Mapping[int, NDArray[np.float32]]) -> Figure:
    """Draw generated images, one row an epoch: at most six, evenly spaced, the first and the last among them.

    Parameters
    ----------
    samples : mapping of int to ndarray of float32, shape (n, H, W, C)
        Images from 0 to 1, by epoch counted from 1. Images in a column have the same noise.
    """
    epochs = sorted(samples)
    chosen = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), _MOST_ROWS)).round().astype(int))
    shown = [epochs[position] for position in chosen]
    return draw_image_grid(
        np.stack([samples[epoch] for epoch in shown]), [f"epoch {epoch}" for epoch in shown]
    )
