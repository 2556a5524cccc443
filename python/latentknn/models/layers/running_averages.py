"""The momentum of running averages, which is lower while there are few values."""

from typing import Any

from latentknn.models.backend import keras


def check_averaging(averaging: float) -> float:
    """Return the momentum of a running average, 0 being none.

    Raises
    ------
    ValueError
        If it is below 0, or 1 and more: the average would never move.
    """
    if not 0 <= averaging < 1:
        raise ValueError(f"received averaging {averaging}, expected a number from 0 to below 1")
    return float(averaging)


def early_momentum(averaging: float, count: Any) -> Any:
    """Return the momentum of a running average of few values: it grows up to ``averaging``.

    The average is over about the last ninth of the values, as long as there are few. The first ones, far from
    where a training ends, are soon forgotten.

    Parameters
    ----------
    averaging : float
        The highest momentum.
    count : tensor
        Number of values so far.

    References
    ----------
    The rule is that of ``tf.train.ExponentialMovingAverage`` with ``num_updates``.
    """
    count = keras.ops.cast(count, "float32")
    return keras.ops.minimum(averaging, (1 + count) / (10 + count))
