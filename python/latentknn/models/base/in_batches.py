"""Functions of tensors are computed on arrays batch by batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import tf
from latentknn.progress import Tell


def compute_in_batches(
    function: Callable[[Any], Any], array: NDArray[Any], batch_size: int, tell: Tell | None = None
) -> NDArray[np.float32]:
    """Return what a function of tensors makes of an array's rows, computed batch by batch.

    Parameters
    ----------
    function : callable
        From a tensor (n, ...) to a tensor with n rows.
    array : ndarray, shape (N, ...)
        Its inputs; there may be none.
    batch_size : int
        Rows that are computed at once.
    tell : callable, optional
        Function of the rows that are computed and of all, called before the first batch and after each.

    Returns
    -------
    ndarray of float32, with N rows

    Raises
    ------
    ValueError
        If ``batch_size`` is below 1.
    """
    if tell is not None:
        tell(0, len(array))
    # The fused convolutions that TensorFlow has from oneDNN fail on no images.
    if len(array) == 0:
        return compute_in_batches(function, np.zeros((1, *array.shape[1:]), array.dtype), batch_size)[:0]
    starts = range(0, len(array), check_batch_size(batch_size))
    results = []
    for start in starts:
        results.append(function(tf.constant(array[start : start + batch_size])).numpy())
        if tell is not None:
            tell(min(start + batch_size, len(array)), len(array))
    return np.concatenate(results)


def check_batch_size(batch_size: int) -> int:
    """Return ``batch_size``.

    Raises
    ------
    ValueError
        If it is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"received batch_size {batch_size}, expected at least 1")
    return batch_size
