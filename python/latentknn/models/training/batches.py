"""Training batches whose order is a function of the seed and the epoch."""

from typing import Any

from numpy.typing import NDArray

from latentknn.models.backend import tf


def training_batches(
    arrays: tuple[NDArray[Any], ...],
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    shuffle: bool = True,
) -> Any:
    """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other.

    Every epoch visits every row once, in an order that depends on ``(seed, epoch)`` alone: a training that
    resumes at epoch 3 sees the batches that it would have seen without the break.

    Parameters
    ----------
    arrays : tuple of ndarray, each of shape (N, ...)
        Images, and what else the model trains on; rows stay together.
    batch_size : int
        Rows of a batch; the last one of an epoch may be smaller.
    seed : int
        Seed of the order.
    first_epoch, epochs : int
        Epochs are counted from 0; ``epochs`` itself is left out.
    shuffle : bool
        Whether the order is shuffled; otherwise rows come as they stand in the arrays.

    Returns
    -------
    tf.data.Dataset
        Tuples of tensors, ``batches_per_epoch`` of them for every epoch.
    """
    rows = len(arrays[0])
    with tf.device("cpu:0"):
        tensors = tuple(tf.constant(array) for array in arrays)

    def one_epoch(epoch: Any) -> Any:
        order = tf.range(rows)
        if shuffle:
            seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
            order = tf.random.experimental.stateless_shuffle(order, seed=seeds)
        starts = tf.data.Dataset.range(0, rows, batch_size)
        return starts.map(lambda start: order[start : start + batch_size])

    def gather(chosen: Any) -> tuple[Any, ...]:
        return tuple(tf.gather(tensor, chosen) for tensor in tensors)

    batches = tf.data.Dataset.range(first_epoch, epochs).flat_map(one_epoch).map(gather).prefetch(2)
    # There is nothing to tune, and the thread of the tuner may outlive the training by up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def batches_per_epoch(rows: int, batch_size: int) -> int:
    """Return how many batches an epoch of ``rows`` rows has."""
    return -(-rows // batch_size)
