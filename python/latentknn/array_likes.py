"""Conversion of what users pass as arrays into NumPy arrays. NumPy itself reads most of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CUDA_MEMORY = (2, 13)
"""DLPack's numbers for memory of CUDA devices, and for memory that they share with the host."""


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Return values as an ndarray of any shape and dtype.

    Parameters
    ----------
    values : array-like
        NumPy arrays, anything with ``__array__`` or ``__dlpack__``, nested sequences, PyTorch tensors of any
        type.
    name : str
        Name of the values for messages, in the plural.

    Raises
    ------
    TypeError
        If the values are no array of the host: a sparse matrix, an iterator, a data set, an index, a mapping,
        an array on a device.
    ValueError
        If values are masked or rows are of unequal length.
    """
    _refuse(values, name)
    try:
        array = np.asarray(_readable(values))
    except (TypeError, BufferError, RuntimeError):
        if is_on_device(values):
            raise TypeError(
                f"{name} are on a CUDA device: copy them to the host first, or pass them to an index with "
                "engine='cuda'"
            ) from None
        raise
    except ValueError as error:
        raise ValueError(f"{name} must be a matrix with rows of equal length: {error}") from None
    if array.ndim == 0 and array.dtype == object:
        raise TypeError(f"{name} must be an array, received a {type(values).__name__}; pass an array")
    return array


def as_matrix(values: Any, name: str) -> NDArray[Any]:
    """Return values as `as_array` does, but a column of lists, one a row, as a matrix.

    Raises
    ------
    TypeError
        See `as_array`.
    ValueError
        See `as_array`; also if a list is missing or of another length than the first. The message names its
        row.
    """
    array = as_array(values, name)
    column = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if column.dtype != object or column.ndim != 1 or not any(_is_sequence(row) for row in column):
        return array
    rows = []
    for number, row in enumerate(column):
        if not _is_sequence(row):
            missing = is_missing(row)
            said = "is missing" if missing else f"is a {type(row).__name__}, others are sequences"
            raise ValueError(f"row {number} of the {name} {said}")
        rows.append(np.asarray(row))
        if rows[-1].shape != rows[0].shape:
            raise ValueError(
                f"rows of the {name} must be of equal length: row {number} has shape {rows[-1].shape}, the "
                f"first {rows[0].shape}"
            )
    if len({row.dtype for row in rows}) == 1:
        return np.stack(rows)
    # Each value is rounded by itself, because conversion to a common dtype might round some values first.
    return np.stack([row.astype(object) for row in rows])


def for_scikit_learn(values: Any, name: str) -> Any:
    """Return values for scikit-learn's own checks, which read the column names of a data frame.

    Raises
    ------
    TypeError, ValueError
        See `as_matrix`.
    """
    _refuse(values, name)
    values = _readable(values)
    shape = getattr(values, "shape", None)
    if shape is None and hasattr(values, "__array__"):
        shape = np.asarray(values).shape
    if shape is None or not (len(shape) == 1 or tuple(shape[1:]) == (1,)):
        return values
    matrix = as_matrix(values, name)
    return values if matrix.shape == tuple(shape) else matrix


def is_on_device(values: Any) -> bool:
    """Return whether values are in the memory of a CUDA device, as far as DLPack tells."""
    try:
        return values.__dlpack_device__()[0] in _CUDA_MEMORY
    except (AttributeError, BufferError, RuntimeError, ValueError):
        # An array on several devices raises one of these, for example.
        return False


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, or pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _refuse(values: Any, name: str) -> None:
    if np.ma.is_masked(values):
        row = int(np.argwhere(np.ma.getmaskarray(values))[0, 0])
        raise ValueError(
            f"row {row} of the {name} is masked, or a part of it; fill what is masked by "
            f"{name}.filled(value), or leave such rows out"
        )
    # Sparse matrices of SciPy and of other libraries have this method.
    if hasattr(values, "todense"):
        raise TypeError(
            f"{name} are a sparse {type(values).__name__}, and only dense arrays are searched; pass "
            f"{name}.toarray() if that fits into memory"
        )
    if hasattr(values, "as_numpy_iterator"):
        raise TypeError(
            f"{name} are a data set of TensorFlow; pass an array, such as "
            f"np.concatenate(list({name}.as_numpy_iterator())) of its batches, or encode it by a model"
        )
    # NumPy would read an index as the sequence of its ids.
    if hasattr(values, "search_self"):
        raise TypeError(
            f"{name} must be an array, received a {type(values).__name__}; pass an array, such as its codes"
        )
    if isinstance(values, Iterator):
        raise TypeError(
            f"{name} are a {type(values).__name__}, which can be read only once; pass an array, such as "
            f"np.stack(list({name}))"
        )


def _readable(values: Any) -> Any:
    """Return values as something that NumPy reads."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        return values if is_on_device(values) else _of_torch(values, torch)
    if (
        torch is not None
        and isinstance(values, (list, tuple))
        and any(torch.is_tensor(row) for row in values)
    ):
        return [_readable(row) for row in values]
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.from_dlpack(values)
    return values


def _of_torch(tensor: Any, torch: Any) -> Any:
    """Return a tensor as a NumPy array; bfloat16, which NumPy does not know, becomes float32."""
    if tensor.layout != torch.strided:
        raise TypeError(f"received a sparse tensor of layout {tensor.layout}; pass tensor.to_dense()")
    dense = tensor.detach().resolve_conj().resolve_neg()
    return (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, dict))
