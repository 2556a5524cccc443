"""Arrays that versions of a value share, although one is longer than another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Buffer:
    """Memory with room behind the values that are used."""

    def __init__(self, array: NDArray[Any], used: int) -> None:
        self.array = array
        self.used = used


class GrowingArray:
    """An array that does not change; a longer one may share its memory.

    Appending writes behind the values of this array, where no other array of the same memory has any; else
    it copies them. So appending few values many times costs about as much as appending all of them once.
    Only one thread may append at a time.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Copied when the first value is appended.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._buffer = _Buffer(values, len(values))
        self._count = len(values)

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> NDArray[Any]:
        """The values, read only, without a copy."""
        view = self._buffer.array[: self._count]
        view.flags.writeable = False
        return view

    def appended(self, values: NDArray[Any]) -> GrowingArray:
        """Return this array followed by values of its dtype."""
        count, buffer = self._count + len(values), self._buffer
        if buffer.used != self._count or count > len(buffer.array):
            array = np.empty(count + count // 2, buffer.array.dtype)
            array[: self._count] = self.values
            buffer = _Buffer(array, self._count)
        buffer.array[self._count : count] = values
        buffer.used = count
        grown = GrowingArray.__new__(GrowingArray)
        grown._buffer, grown._count = buffer, count
        return grown
