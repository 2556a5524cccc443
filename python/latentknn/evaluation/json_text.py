"""Dataclasses with arrays as JSON, which msgspec writes, and reads with a check of every value's type."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def to_json(value: Any) -> str:
    """Return a dataclass as JSON; arrays become lists."""
    return msgspec.json.encode(value, enc_hook=_as_list).decode()


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Return a dataclass from JSON; lists become arrays of the type that its fields are annotated with.

    Raises
    ------
    ValueError
        If the text is not JSON, or a value is missing or of a wrong type.
    """
    return msgspec.json.decode(text, type=kind, dec_hook=_as_array)


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"a {type(value).__name__} has no form in JSON")


def _as_array(annotation: Any, value: Any) -> NDArray[Any]:
    """Return a list as an array; the annotation is ``NDArray[dtype]``."""
    (dtype,) = get_args(get_args(annotation)[1])
    array = np.asarray(value, None if value else dtype)
    if not np.can_cast(array.dtype, dtype, "safe" if dtype is not np.float64 else "same_kind"):
        raise ValueError(f"expected {np.dtype(dtype)} values, received {array.dtype}")
    return array.astype(dtype, copy=False)
