"""Writing the columns of an index or of a shard, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from latentknn.files.digests import DIGEST_BYTES, BlockDigests
from latentknn.files.header import HEADER_BYTES, Tensor, write_header
from latentknn.files.label_columns import encode_labels

_COPIED_BYTES = 1 << 20
_KINDS = {"f": "F", "i": "I", "u": "U"}


@dataclass(frozen=True)
class Written:
    """What a writer has written: the rows, the bytes of the file, and its digest."""

    rows: int
    bytes: int
    digest: str


class ColumnWriter:
    """Writes codes, ids and labels that arrive in batches to one file, with digests of all blocks.

    Codes go to the file at once. Ids and labels follow them there, so that they wait in files without a name
    until the last batch; memory holds none of them.

    Parameters
    ----------
    path : Path
        A file that exists; what it holds is replaced.
    dim : int
        Dimensions of a code.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._folder = path.parent
        self._dim = dim
        self._rows = 0
        self._ids: IO[bytes] | None = None
        self._labels: IO[bytes] | None = None
        self._labels_dtype: np.dtype[Any] | None = None
        self._label_batches: list[tuple[np.dtype[Any], int]] = []
        self._digests = BlockDigests()
        self._file.seek(HEADER_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in (self._file, self._ids, self._labels):
            if file is not None:
                file.close()

    @property
    def rows(self) -> int:
        """Number of codes so far."""
        return self._rows

    def add(
        self,
        codes: NDArray[np.float32],
        ids: NDArray[np.int64] | None = None,
        labels: NDArray[Any] | None = None,
    ) -> None:
        """Append a batch.

        Parameters
        ----------
        codes : ndarray of shape (n, dim), float32
        ids : ndarray of shape (n,), int64, optional
            For all batches or for none.
        labels : ndarray of shape (n,), optional
            For all batches or for none. Strings may differ in width, numbers have one dtype.

        Raises
        ------
        TypeError
            For codes that are not float32, ids that are not int64, or labels that are neither numbers nor
            strings.
        ValueError
            For a wrong shape, or a batch with ids or labels among others without.
        """
        if codes.dtype != np.float32 or (ids is not None and ids.dtype != np.int64):
            given = codes.dtype if ids is None else f"{codes.dtype} and {ids.dtype}"
            raise TypeError(f"codes must be float32 and ids int64, received {given}")
        if codes.shape[1:] != (self._dim,):
            raise ValueError(f"codes must have shape (n, {self._dim}), received {codes.shape}")
        encoded = None if labels is None else encode_labels(labels)
        for name, column, known in (("ids", ids, self._ids), ("labels", labels, self._labels)):
            if column is not None and column.shape != codes.shape[:1]:
                raise ValueError(f"{name} must have shape {codes.shape[:1]}, received {column.shape}")
            if self._rows > 0 and (column is None) != (known is None):
                raise ValueError(f"all batches have {name}, or none of them")
        joined = None if labels is None else self._joined_dtype(labels.dtype)
        if ids is not None:
            self._ids = self._ids or self._unnamed_file()
            _write(self._ids, ids)
        if labels is not None and encoded is not None:
            self._labels = self._labels or self._unnamed_file()
            _write(self._labels, encoded)
            self._labels_dtype = joined
            self._label_batches.append((labels.dtype.newbyteorder("="), len(labels)))
        _write(self._file, codes, self._digests)
        self._rows += len(codes)

    def finish(self, metadata: dict[str, str], labels_dtype: np.dtype[Any] | None = None) -> Written:
        """Write ids, labels, digests and the header.

        Parameters
        ----------
        metadata : dict
            Metadata of the file beside its digest and the type of its labels.
        labels_dtype : dtype, optional
            Type of the labels for those who read them; by default the narrowest that holds all of them.
        """
        tensors = {"codes": Tensor("F32", (self._rows, self._dim), 0, self._file.tell() - HEADER_BYTES)}
        if self._ids is not None:
            self._ids.seek(0)
            while batch := self._ids.read(_COPIED_BYTES):
                _write(self._file, batch, self._digests)
            tensors["ids"] = self._placed("I64", (self._rows,), tensors)
        if self._labels is not None:
            dtype = labels_dtype or self._labels_dtype
            assert dtype is not None
            self._copy_labels(dtype)
            metadata = {**metadata, "labels_dtype": dtype.str}
            kind, size = dtype.kind, dtype.itemsize
            if kind in "US":
                tensors["labels"] = self._placed("U8", (self._rows, max(size, 1)), tensors)
            else:
                name = "BOOL" if kind == "b" else f"{_KINDS[kind]}{8 * size}"
                tensors["labels"] = self._placed(name, (self._rows,), tensors)
        table = b"".join(self._digests.finish())
        _write(self._file, table)
        tensors["digests"] = self._placed("U8", (len(table) // DIGEST_BYTES, DIGEST_BYTES), tensors)
        size = self._file.tell()
        header, digest = write_header(metadata, tensors, table)
        self._file.seek(0)
        _write(self._file, header)
        return Written(self._rows, size, digest)

    def _placed(self, dtype: str, shape: tuple[int, ...], before: dict[str, Tensor]) -> Tensor:
        """Return a tensor that has just been written after others."""
        begin = max(each.end for each in before.values())
        return Tensor(dtype, shape, begin, self._file.tell() - HEADER_BYTES)

    def _copy_labels(self, dtype: np.dtype[Any]) -> None:
        assert self._labels is not None
        self._labels.seek(0)
        for stored, count in self._label_batches:
            at_once = max(_COPIED_BYTES // max(stored.itemsize, dtype.itemsize, 1), 1)
            for begin in range(0, count, at_once):
                rows = min(at_once, count - begin)
                labels = np.frombuffer(self._labels.read(rows * max(stored.itemsize, 1)), stored)
                _write(self._file, encode_labels(labels.astype(dtype, copy=False)), self._digests)

    def _joined_dtype(self, new: np.dtype[Any]) -> np.dtype[Any]:
        """Return the type of the labels so far and of `new` ones; ValueError where there is none."""
        known = self._labels_dtype
        new = new.newbyteorder("=")
        if known is None or known == new:
            return new
        if known.kind not in "US" or known.kind != new.kind:
            raise ValueError(f"labels of dtype {new} cannot follow those of dtype {known}")
        return max(known, new, key=lambda dtype: dtype.itemsize)

    def _unnamed_file(self) -> IO[bytes]:
        return TemporaryFile(dir=self._folder)


def _write(file: Any, data: NDArray[Any] | bytes, digests: BlockDigests | None = None) -> None:
    """Write all of an array, or of bytes, to a file."""
    if isinstance(data, np.ndarray):
        view = np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
    else:
        view = memoryview(data)
    for begin in range(0, len(view), _COPIED_BYTES):
        part = view[begin : begin + _COPIED_BYTES]
        if digests is not None:
            digests.update(part)
        while len(part) > 0:
            part = part[file.write(part) :]
