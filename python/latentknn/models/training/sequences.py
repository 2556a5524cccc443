"""A ``keras.utils.PyDataset``, whose batches are read by their numbers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras, tf


def as_dataset(x: Any) -> Any:
    """Return a ``tf.data.Dataset`` as it is, one pass over a ``PyDataset`` as such, and None otherwise.

    Raises
    ------
    ValueError
        If a ``PyDataset`` has no end.
    """
    if isinstance(x, tf.data.Dataset):
        return x
    if not isinstance(x, keras.utils.PyDataset):
        return None
    if x.num_batches is None:
        raise ValueError("received a PyDataset without an end, where one pass over it is needed")
    batches = batches_of(x, lambda: [range(x.num_batches)])
    # Keras would warn of data that end before it knows their number.
    return batches.apply(tf.data.experimental.assert_cardinality(x.num_batches))


def batches_of(sequence: Any, passes: Callable[[], Iterable[Iterable[int]]]) -> Any:
    """Return the batches of a ``PyDataset`` as a ``tf.data.Dataset``.

    Parameters
    ----------
    sequence : keras.utils.PyDataset
        It is read by one thread; its ``on_epoch_begin`` and ``on_epoch_end`` are called around every pass.
    passes : callable
        Function that returns the numbers of the batches of every pass, in the order in which they are read.
    """
    first = _parts(sequence[0])
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), tf.as_dtype(part.dtype)) for part in first)

    def read() -> Iterator[tuple[NDArray[Any], ...]]:
        for numbers in passes():
            sequence.on_epoch_begin()
            for number in numbers:
                yield _parts(sequence[number])
            sequence.on_epoch_end()

    return tf.data.Dataset.from_generator(read, output_signature=signature)


def _parts(batch: Any) -> tuple[NDArray[Any], ...]:
    parts = batch if isinstance(batch, tuple | list) else (batch,)
    return tuple(np.asarray(part) for part in parts if part is not None)
