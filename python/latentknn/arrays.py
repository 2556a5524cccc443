"""Conversion of what users pass into arrays that the core reads."""

import math
import struct
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array, as_matrix, is_missing

# The core rounds values of these types to float32 once, in a floating-point environment of its own.
_CORE_DTYPES = (np.float32, np.float64, np.int64, np.uint64)


def as_rows(values: ArrayLike, name: str, dim: int | None = None) -> NDArray[Any]:
    """Return values as a C-ordered matrix of a dtype that the core reads.

    Parameters
    ----------
    values : array-like of shape (n, d)
        bool, integers, float16, bfloat16, float32, float64 or an object array of numbers; NumPy or
        anything with ``__array__`` or ``__dlpack__``; a column of lists of equal length, one a row.
    name : str
        Name of the values for messages.
    dim : int, optional
        Number of columns that the values must have.

    Returns
    -------
    ndarray of shape (n, d)
        float32, float64, int64 or uint64; the caller's own memory where it already fits.

    Raises
    ------
    TypeError
        If the values are no array, or are complex numbers, strings or otherwise not real numbers.
    ValueError
        If the number of dimensions or columns is wrong, values are masked, or lists are missing or of unequal
        length.
    """
    array = as_matrix(values, name)
    check_shape(array.shape, name, dim)
    return _to_core_dtype(array, name)


def check_shape(shape: tuple[int, ...], name: str, dim: int | None = None) -> None:
    """Raise ValueError unless a shape is that of rows, with `dim` columns if `dim` is given."""
    if len(shape) != 2:
        advice = "; reshape a single vector with vector.reshape(1, -1)" if len(shape) == 1 else ""
        raise ValueError(f"{name} must have shape (n, d), received shape {shape}{advice}")
    if shape[1] == 0:
        raise ValueError(f"{name} must have at least one column, received shape {shape}")
    if dim is not None and shape[1] != dim:
        raise ValueError(f"{name} must have {dim} columns, as the index has, received shape {shape}")


def as_int64(values: ArrayLike, name: str, count: int) -> NDArray[np.int64]:
    """Return `count` integers as int64, or raise TypeError or ValueError; none is rounded."""
    array = as_array(values, name)
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one a row, received shape {array.shape}")
    if count > 0 and array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, received dtype {array.dtype}")
    if array.dtype.kind == "u" and count > 0 and int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit int64, received {int(array.max())}")
    return array.astype(np.int64)


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct values of an array, sorted.

    Without counts NumPy (2.3 and later) puts them into a hash table. That ends the process by an abort where
    a daemon thread is in it at the end of the interpreter, and takes longer than sorting.
    """
    return np.unique(values, return_counts=True)[0]


def as_flags(values: ArrayLike, name: str, count: int) -> NDArray[np.uint8]:
    """Return a boolean mask of `count` elements as uint8, or raise TypeError or ValueError."""
    array = as_array(values, name)
    if array.dtype != np.bool_:
        raise TypeError(f"{name} must be a boolean mask, received dtype {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one flag a row, received shape {array.shape}")
    # Other threads cannot change this copy during a search.
    return array.astype(np.uint8)


def as_similarities(values: ArrayLike, name: str, count: int) -> NDArray[np.float64]:
    """Return `count` similarities as float64, or raise TypeError or ValueError."""
    array = as_array(values, name)
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one a query, received shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, received dtype {array.dtype}")
    similarities = array.astype(np.float64)
    wrong = ~(similarities <= 1.0)
    if wrong.any():
        query = int(wrong.argmax())
        raise ValueError(
            f"{name} must be at most 1, as similarities are, received {similarities[query]} for query {query}"
        )
    return similarities


def _to_core_dtype(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype == object:
        array = _from_objects(array, name)
    known = array.dtype.kind in "biuf" or array.dtype.name == "bfloat16"
    if not known or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name} must be real numbers (bool, integer, float16, bfloat16, float32 or float64), "
            f"received dtype {array.dtype}"
        )
    native = array.dtype.newbyteorder("=")
    if native not in _CORE_DTYPES:
        # float32 holds values of small types exactly; 32-bit integers need float64.
        native = np.dtype(
            np.float64 if array.dtype.kind in "iu" and array.dtype.itemsize == 4 else np.float32
        )
    return np.require(array, dtype=native, requirements=["C", "A"])


def _from_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    try:
        values = [_nearly_float64(value) for value in array.ravel().tolist()]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must be real numbers, received an object array that is not: {error}"
        ) from None
    return np.array(values, dtype=np.float64).reshape(array.shape)


def _nearly_float64(value: Any) -> float:
    # A number that float64 cannot hold becomes its float64 neighbour whose last bit is odd. Rounding that
    # neighbour to float32 gives the same as rounding the number itself (Boldo, Melquiond, "Emulation of FMA
    # and correctly rounded sums: proved algorithms using rounding to odd", 2008).
    if is_missing(value):
        return math.nan
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max
    if number == value or not math.isfinite(number):
        return number
    if struct.unpack("<q", struct.pack("<d", number))[0] % 2 == 1:
        return number
    return math.nextafter(number, math.inf if value > number else -math.inf)
