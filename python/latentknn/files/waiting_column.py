"""A column that waits on the disk until those before it are complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.files.column_writer import BATCH_BYTES
from latentknn.files.label_columns import encode_labels


class WaitingColumn:
    """Numbers or strings of one column, in the order in which they came; iterating gives them in batches.

    Parameters
    ----------
    file : binary file
        Empty, and open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._dtype: np.dtype[Any] | None = None
        self._batches: list[tuple[np.dtype[Any], int]] = []

    def add(self, values: NDArray[Any]) -> None:
        """Append values (n,)."""
        self._dtype = self.joined_dtype(values.dtype)
        native = values.dtype.newbyteorder("=")
        self._file.write(encode_labels(values.astype(native, copy=False)).reshape(-1).view(np.uint8).data)
        self._batches.append((native, len(values)))

    def joined_dtype(self, new: np.dtype[Any]) -> np.dtype[Any]:
        """Return a type of the values so far and of `new` ones; ValueError where there is none."""
        known = self._dtype
        new = new.newbyteorder("=")
        if known is None or known == new:
            return new
        if known.kind not in "US" or known.kind != new.kind:
            raise ValueError(f"labels of dtype {new} cannot follow those of dtype {known}")
        return max(known, new, key=lambda dtype: dtype.itemsize)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        self._file.seek(0)
        for stored, count in self._batches:
            size = max(stored.itemsize, 1)
            at_once = max(BATCH_BYTES // size, 1)
            for begin in range(0, max(count, 1), at_once):
                rows = min(at_once, count - begin)
                values = np.frombuffer(self._file.read(rows * size), stored, rows)
                yield values.astype(self._dtype, copy=False)
