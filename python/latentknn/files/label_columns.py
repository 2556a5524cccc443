"""Labels as columns of a file: numbers as they are, strings as the bytes of strings of fixed width."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = re.compile(r"[<>|=](?:b1|[iu][1248]|f[248])")
_STRINGS = re.compile(r"(?:[<>]U|\|S)([0-9]{1,7})")
_MOST_STRING_BYTES = 1 << 24


def check_labels(dtype: np.dtype[Any]) -> None:
    """Raise TypeError for labels that are neither numbers nor strings."""
    if dtype.kind not in "US" and (dtype.kind not in "biuf" or dtype.itemsize > 8):
        raise TypeError(f"only labels that are numbers or strings can be saved, received dtype {dtype}")


def encode_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as numbers in native byte order (n,), or as bytes (n, width) where they are strings.

    Raises
    ------
    TypeError
        For labels that are neither numbers nor strings.
    """
    check_labels(labels.dtype)
    if labels.dtype.kind in "biuf":
        return np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("="))
    width = max(labels.dtype.itemsize, 1)
    return np.ascontiguousarray(labels).view(np.uint8).reshape(len(labels), width)


def decode_labels(stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return labels of what `encode_labels` gave and their dtype."""
    if dtype.kind in "US":
        return stored.reshape(-1).view(dtype)
    return stored.astype(dtype, copy=False)


def labels_dtype(text: object) -> np.dtype[Any]:
    """Return the dtype of labels that a file names, one of a fixed list; ValueError for any other."""
    strings = _STRINGS.fullmatch(text) if isinstance(text, str) else None
    if isinstance(text, str) and (_NUMBERS.fullmatch(text) or strings):
        dtype = np.dtype(text)
        if dtype.itemsize <= _MOST_STRING_BYTES:
            return dtype
    raise ValueError(f"its labels_dtype is {text!r}, which is no type of numbers or strings")


def check_part(part: str | None, whole: str | None) -> None:
    """Raise ValueError unless labels of a type, or none, can be those of a part of all labels of another."""
    if part is None or whole is None:
        fits = part == whole
    else:
        one, other = labels_dtype(part), labels_dtype(whole)
        fits = (one.kind in "US") == (other.kind in "US") and np.can_cast(one, other, "safe")
    if not fits:
        raise ValueError(f"its labels are of type {part}, those of the whole index of {whole}")


def narrowed(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels in native byte order, strings in the least width that holds them.

    The same labels are then the same bytes, whatever array they were cut from.
    """
    if labels.dtype.kind not in "US":
        return labels.astype(labels.dtype.newbyteorder("="), copy=False)
    width = int(np.char.str_len(labels).max()) if len(labels) > 0 else 0
    return labels.astype(f"{labels.dtype.kind}{max(width, 1)}", copy=False)
