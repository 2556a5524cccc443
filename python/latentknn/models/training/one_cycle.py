"""A learning rate that rises, then falls to zero, once in a training."""

import math
from typing import Any

from latentknn.models.backend import keras

_WARM_UP = 0.25
_START = 0.04


class OneCycle(keras.callbacks.Callback):  # type: ignore[misc]
    """Set the learning rate before every batch by its place in the whole training.

    It rises from 4 % of its peak in the first quarter and falls to nearly zero, both along half a cosine.

    Parameters
    ----------
    peak : float
        Highest learning rate.
    total_steps : int or None
        Batches of the whole training, those before a resumed checkpoint included; None: unknown.

    Raises
    ------
    ValueError
        If the number of batches is unknown.

    References
    ----------
    L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates", 2018.
    """

    def __init__(self, peak: float, total_steps: int | None) -> None:
        super().__init__()
        if total_steps is None:
            raise ValueError(
                "the cycle of the learning rate needs the number of batches, which this dataset does not "
                "know; give it by dataset.apply(tf.data.experimental.assert_cardinality(...))"
            )
        self.peak = peak
        self.total_steps = total_steps
        self._first_step = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Find the place in the training, which may be a resumed one."""
        self._first_step = epoch * self.params["steps"]

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the learning rate, of several batches where Keras runs several at once."""
        step = self._first_step + batch
        self.model.optimizer.learning_rate = one_cycle_rate(step, self.total_steps, self.peak)


def one_cycle_rate(step: int, total_steps: int, peak: float) -> float:
    """Return the learning rate of a batch, counted from 0."""
    place = (step + 0.5) / total_steps
    if place < _WARM_UP:
        return peak * (_START + (1 - _START) * _half_cosine(place / _WARM_UP))
    return peak * _half_cosine((1 - place) / (1 - _WARM_UP))


def _half_cosine(share: float) -> float:
    return (1 - math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
