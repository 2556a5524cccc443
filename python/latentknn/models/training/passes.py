"""Epochs of a chosen length are cut out of the passes over the data that follow each other."""

from collections.abc import Callable
from typing import Any


def batches_of_epochs(
    batches_of_passes: Callable[[int, int], Any],
    per_pass: int,
    per_epoch: int,
    first_epoch: int,
    epochs: int,
) -> Any:
    """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other.

    An epoch goes on where the one before it ended, in the middle of a pass over the data too, so that every
    row has its turn however few batches an epoch has.

    Parameters
    ----------
    batches_of_passes : callable
        Function of the first pass and the one after the last, counted from 0, that returns their batches as a
        ``tf.data.Dataset``.
    per_pass, per_epoch : int
        Number of batches in a pass over the data, and in an epoch.
    first_epoch, epochs : int
        Epochs are counted from 0; ``epochs`` itself is left out.
    """
    first, last = first_epoch * per_epoch, max(first_epoch, epochs) * per_epoch
    first_pass, skipped = divmod(first, per_pass)
    batches = batches_of_passes(first_pass, -(-last // per_pass))
    return batches if skipped == 0 else batches.skip(skipped)
