"""The mean over a batch of what each image adds to a loss."""

from typing import Any

from latentknn.models.backend import keras


def weighted_mean(values: Any, sample_weight: Any = None) -> Any:
    """Return the mean of values, each multiplied by its weight first, as Keras's losses compute it.

    Parameters
    ----------
    values : tensor of shape (N,)
        What each image adds.
    sample_weight : tensor of shape (N,), optional
        Weights; by default all are 1.
    """
    return keras.ops.mean(values if sample_weight is None else values * sample_weight)
