"""What a model generates after every epoch of its training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras


class SampleRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Let the model generate images from the same noise after every epoch.

    Parameters
    ----------
    count : int
        Images an epoch.
    seed : int
        Seed of the noise.

    Attributes
    ----------
    samples : dict of int to ndarray of float32, shape (count, H, W, C)
        The images by epoch, counted from 1. Those before a resumed checkpoint are not there.
    """

    def __init__(self, count: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.count = count
        self.seed = seed
        self.samples: dict[int, NDArray[np.float32]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Generate and keep."""
        self.samples[epoch + 1] = self.model.generate(self.count, seed=self.seed)
