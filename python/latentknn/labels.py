"""Labels of codes. Each code has one label, a number or a string, and none is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array, is_missing


def as_labels(values: ArrayLike, count: int) -> NDArray[Any]:
    """Return labels as a new array.

    Parameters
    ----------
    values : array-like of shape (count,)
        Numbers or strings, in any dtype or as objects, as pandas, polars and Arrow give them.
    count : int
        Number of labels that are needed.

    Returns
    -------
    ndarray of shape (count,)
        Strings become NumPy's strings of fixed width, and objects that are numbers become numbers.

    Raises
    ------
    TypeError
        If labels cannot be sorted, such as numbers among strings; the message names the first.
    ValueError
        If the shape is wrong, or a label is missing or does not fit NumPy's strings; the message names the
        first.
    """
    array = _read(values)
    if array.shape != (count,):
        raise ValueError(f"labels must have shape ({count},), one a code, received shape {array.shape}")
    _check_present(array)
    return _of_objects(array.tolist()) if array.dtype.kind in "OT" else array.copy()


def labels_for_scikit_learn(values: ArrayLike) -> NDArray[Any]:
    """Return labels for scikit-learn's own checks, which refuse a wrong shape.

    Raises
    ------
    TypeError, ValueError
        See `as_labels`; a wrong shape raises nothing here.
    """
    array = _read(values)
    _check_present(array)
    if array.ndim != 1 or array.dtype.kind not in "OT":
        return array
    labels = as_labels(array, len(array))
    # scikit-learn does not know NumPy's strings of variable width.
    return labels if array.dtype.kind == "T" else array


def _read(values: ArrayLike) -> NDArray[Any]:
    """Return labels as NumPy reads them, but refuse what it would turn into strings beside strings."""
    array = as_array(values, "labels")
    if array.dtype.kind == "U" and isinstance(values, (list, tuple)):
        objects = np.asarray(values, object)
        _check_present(objects)
        _of_objects(objects.ravel().tolist())
    return array


def _check_present(labels: NDArray[Any]) -> None:
    """Raise ValueError if a label is missing; the message names the first."""
    flat = labels.ravel()
    if labels.dtype.kind in "OT":
        missing = np.fromiter(map(is_missing, flat.tolist()), np.bool_, flat.size)
    else:
        missing = np.isnat(flat) if labels.dtype.kind in "mM" else flat != flat
    if missing.any():
        number = int(missing.argmax())
        raise ValueError(
            f"label {number} is missing: received {flat[number]!r}; give every code a label, or leave such "
            "codes out"
        )


def join_labels(known: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Return labels followed by others, with all values unchanged.

    Raises
    ------
    ValueError
        If no type holds both.
    """
    received = f"the index has labels of dtype {known.dtype}, received {new.dtype}"
    if (new.dtype.kind in "US") != (known.dtype.kind in "US"):
        raise ValueError(received)
    numbers = known.dtype.kind in "biuf" and new.dtype.kind in "biuf"
    joined = np.result_type(known, new) if numbers else new.dtype
    if numbers and joined.kind == "f" and "f" not in (known.dtype.kind, new.dtype.kind):
        raise ValueError(f"{received}; no integer type holds both")
    for part in (known, new) if numbers else ():
        # Converting the largest integers back may overflow, and NumPy would warn of it.
        with np.errstate(invalid="ignore"):
            changed = part.astype(joined).astype(part.dtype) != part
        if changed.any():
            raise ValueError(f"{received}; {joined} cannot hold label {part[changed.argmax()]} of them")
    return np.concatenate([known, new])


def _of_objects(labels: list[Any]) -> NDArray[Any]:
    strings = [isinstance(label, str) for label in labels]
    if all(strings) and labels:
        return _of_strings(labels)
    if any(strings):
        number = strings.index(not strings[0])
        raise TypeError(
            f"labels must be all strings or all numbers, received {labels[0]!r} and, as label {number}, "
            f"{labels[number]!r}"
        )
    array = np.array(labels) if labels else np.empty(0)
    if array.dtype.kind in "biuf" and array.ndim == 1 and array.tolist() == labels:
        return array
    objects = np.empty(len(labels), object)
    objects[:] = labels
    try:
        np.unique(objects)
    except TypeError as error:
        raise TypeError(f"labels must be all strings or all numbers: {error}") from None
    return objects


def _of_strings(labels: list[str]) -> NDArray[Any]:
    for number, label in enumerate(labels):
        if label.endswith("\0"):
            raise ValueError(
                f"label {number} is {label!r}, and NumPy's strings cannot end with a null character"
            )
    return np.array(labels, dtype=np.str_)
