"""Writing the columns of an index or of a shard, one after the other, each in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentknn.files.digests import DIGEST_BYTES, BlockDigests
from latentknn.files.header import HEADER_BYTES, Tensor, write_header
from latentknn.files.label_columns import encode_labels

BATCH_BYTES = 1 << 20
"""Bytes that are digested and written at once: processors have room for them near by."""

_LETTERS = {"f": "F", "i": "I", "u": "U"}


class Target(Protocol):
    """A file that is open for writing without a buffer, or `NoTarget`."""

    def write(self, data: memoryview, /) -> int | None:
        """Write some of the bytes, and return how many."""

    def seek(self, position: int, /) -> int:
        """Go on writing at a position."""


class NoTarget:
    """Takes what is written without writing it: for the digest that a file would have."""

    def write(self, data: memoryview, /) -> int:
        """Return how many bytes there are."""
        return len(data)

    def seek(self, position: int, /) -> int:
        """Return the position."""
        return position


@dataclass(frozen=True)
class Written:
    """What a writer has written: the rows, the bytes of the file, and its digest."""

    rows: int
    bytes: int
    digest: str


class ColumnWriter:
    """Writes codes, then ids, labels and metadata to one file, with digests of all blocks.

    Parameters
    ----------
    file : Target
    dim : int
        Dimensions of a code.
    """

    def __init__(self, file: Target, dim: int) -> None:
        self._file = file
        self._tensors = {"codes": Tensor("F32", (0, dim), 0, 0)}
        self._labels_dtype: np.dtype[Any] | None = None
        self._digests = BlockDigests()
        self._position = 0
        file.seek(HEADER_BYTES)

    @property
    def rows(self) -> int:
        """Number of codes so far."""
        return self._tensors["codes"].shape[0]

    def write_codes(self, codes: NDArray[np.float32]) -> None:
        """Append codes (n, dim), before anything else."""
        self._append("codes", "F32", codes.shape, codes)

    def write_ids(self, ids: NDArray[np.int64]) -> None:
        """Append ids (n,), after all codes."""
        self._append("ids", "I64", ids.shape, ids)

    def write_labels(self, labels: NDArray[Any]) -> None:
        """Append labels (n,) of one type, after all ids.

        Raises
        ------
        TypeError
            For labels that are neither numbers nor strings.
        """
        encoded = encode_labels(labels)
        self._labels_dtype = labels.dtype
        kind, size = encoded.dtype.kind, encoded.dtype.itemsize
        name = "BOOL" if kind == "b" else f"{_LETTERS[kind]}{8 * size}"
        self._append("labels", name, encoded.shape, encoded)

    def write_metadata(self, content: NDArray[np.uint8]) -> None:
        """Append bytes of a file of Parquet, after all labels."""
        self._append("metadata", "U8", content.shape, content)

    def finish(self, described: dict[str, str]) -> Written:
        """Write the digests and the header; `described` is what stands there beside the type of labels."""
        if self._labels_dtype is not None:
            described = {**described, "labels_dtype": self._labels_dtype.str}
        table = b"".join(self._digests.finish())
        self._append("digests", "U8", (len(table) // DIGEST_BYTES, DIGEST_BYTES), table)
        header, digest = write_header(described, self._tensors, table)
        self._file.seek(0)
        self._write(header)
        return Written(self.rows, HEADER_BYTES + self._tensors["digests"].end, digest)

    def _append(self, name: str, dtype: str, shape: tuple[int, ...], data: NDArray[Any] | bytes) -> None:
        if isinstance(data, np.ndarray):
            view = np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
        else:
            view = memoryview(data)
        for begin in range(0, len(view), BATCH_BYTES):
            part = view[begin : begin + BATCH_BYTES]
            if name != "digests":
                self._digests.update(part)
            self._write(part)
        known = self._tensors.get(name, Tensor(dtype, (0, *shape[1:]), self._position, self._position))
        self._position += len(view)
        self._tensors[name] = Tensor(
            dtype, (known.shape[0] + shape[0], *shape[1:]), known.begin, self._position
        )

    def _write(self, data: memoryview | bytes) -> None:
        view = memoryview(data)
        while len(view) > 0:
            view = view[self._file.write(view) or 0 :]
