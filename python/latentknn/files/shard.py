"""The shards of a folder: files that do not change once they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file, errors_of
from latentknn.files.column_file import ColumnFile, Columns
from latentknn.files.column_writer import ColumnWriter
from latentknn.files.header import SHARD_FORMAT, Header
from latentknn.files.label_columns import check_labels, check_part
from latentknn.files.manifest import Manifest, ShardEntry
from latentknn.files.waiting_column import WaitingColumn
from latentknn.files.waiting_table import WaitingTable


class ShardWriter:
    """Writes a shard from batches, for ``with``; it appears under its name when `finish` is called.

    Codes go to the file at once. Ids, labels and metadata follow them there, so that they wait in files
    without a name until the last batch; memory holds none of them.

    Parameters
    ----------
    folder : Path
    name : str
        Name of the file, which `WritableFolder.new_name` gives.
    dim : int
        Dimensions of a code.
    first : int
        Position of its first code in the whole index.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ShardWriter(Path(folder), "shard-000001-0000.safetensors", 2) as writer:
    ...         writer.add(np.float32([[1, 2]]), labels=np.array(["a"]))
    ...         writer.add(np.float32([[3, 4]]), labels=np.array(["long"]))
    ...         entry = writer.finish()
    ...     read_shard(Path(folder), entry).labels.tolist()
    ['a', 'long']
    """

    def __init__(self, folder: Path, name: str, dim: int, first: int = 0) -> None:
        self._path = folder / name
        self._dim = dim
        self._first = first
        self._ids: WaitingColumn | None = None
        self._labels: WaitingColumn | None = None
        self._metadata: WaitingTable | None = None
        with ExitStack() as files:
            path = files.enter_context(atomic_file(self._path))
            self._columns = ColumnWriter(files.enter_context(path.open("wb", buffering=0)), dim)
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def rows(self) -> int:
        """Codes so far."""
        return self._columns.rows

    def add(
        self,
        codes: NDArray[np.float32],
        ids: NDArray[np.int64] | None = None,
        labels: NDArray[Any] | None = None,
        metadata: Any = None,
    ) -> None:
        """Append a batch.

        Parameters
        ----------
        codes : ndarray of shape (n, dim), float32
            Finite; nothing here looks at them.
        ids : ndarray of shape (n,), int64, optional
            For all batches or for none.
        labels : ndarray of shape (n,), optional
            For all batches or for none. Strings may differ in width, numbers have one dtype.
        metadata : pyarrow.Table of n rows, optional
            For all batches or for none, with the same columns.

        Raises
        ------
        OSError
            Where the batch cannot be written. The shard cannot be finished then.
        TypeError
            For codes that are not float32, ids that are not int64, or labels that are neither numbers nor
            strings.
        ValueError
            For a wrong shape, or a batch with ids or labels among others without.
        """
        self._check(codes, ids, labels, metadata)
        try:
            with errors_of(self._path):
                self._append(codes, ids, labels)
                if metadata is not None:
                    self._metadata = self._metadata or WaitingTable(self._unnamed_file(), metadata.schema)
                    self._metadata.add(metadata)
        except BaseException:
            self.discard()
            raise

    def finish(self) -> ShardEntry:
        """Complete the file, give it its name, and return what a manifest lists of it.

        Raises
        ------
        OSError
            Where it cannot be written; no file is left then.
        """
        try:
            with errors_of(self._path):
                for batch in self._ids or ():
                    self._columns.write_ids(batch)
                for batch in self._labels or ():
                    self._columns.write_labels(batch)
                for content in self._metadata or ():
                    self._columns.write_metadata(content)
                written = self._columns.finish({"format": SHARD_FORMAT})
        except BaseException:
            self.discard()
            raise
        self._files.close()
        return ShardEntry(self._path.name, written.rows, self._first, written.bytes, written.digest)

    def discard(self) -> None:
        """Delete the file unless it is finished."""
        # What is open hears of an error, and gives no name to the file.
        with suppress(_DiscardedError):
            files = self._files.pop_all()
            files.__exit__(_DiscardedError, _DiscardedError(), None)

    def _append(
        self, codes: NDArray[np.float32], ids: NDArray[np.int64] | None, labels: NDArray[Any] | None
    ) -> None:
        if ids is not None:
            self._ids = self._ids or self._waiting_column()
            self._ids.add(ids)
        if labels is not None:
            self._labels = self._labels or self._waiting_column()
            self._labels.add(labels)
        self._columns.write_codes(codes)

    def _check(
        self,
        codes: NDArray[np.float32],
        ids: NDArray[np.int64] | None,
        labels: NDArray[Any] | None,
        metadata: Any,
    ) -> None:
        if codes.dtype != np.float32 or (ids is not None and ids.dtype != np.int64):
            given = codes.dtype if ids is None else f"{codes.dtype} and {ids.dtype}"
            raise TypeError(f"codes must be float32 and ids int64, received {given}")
        if codes.ndim != 2 or codes.shape[1] != self._dim:
            raise ValueError(f"codes must have shape (n, {self._dim}), received {codes.shape}")
        if metadata is not None and metadata.num_rows != len(codes):
            raise ValueError(f"metadata must have {len(codes)} rows, received {metadata.num_rows}")
        for name, column, known in (
            ("ids", ids, self._ids),
            ("labels", labels, self._labels),
            ("metadata", metadata, self._metadata),
        ):
            if name != "metadata" and column is not None and column.shape != codes.shape[:1]:
                raise ValueError(f"{name} must have shape {codes.shape[:1]}, received {column.shape}")
            if self.rows > 0 and (column is None) != (known is None):
                raise ValueError(f"all batches have {name}, or none of them")
        if labels is not None:
            check_labels(labels.dtype)
            if self._labels is not None:
                self._labels.joined_dtype(labels.dtype)

    def _waiting_column(self) -> WaitingColumn:
        return WaitingColumn(self._unnamed_file())

    def _unnamed_file(self) -> IO[bytes]:
        return self._files.enter_context(TemporaryFile(dir=self._path.parent))


class _DiscardedError(Exception):
    """A shard will not be finished."""


def write_shard(
    folder: Path,
    name: str,
    codes: NDArray[np.float32],
    ids: NDArray[np.int64] | None = None,
    labels: NDArray[Any] | None = None,
    metadata: Any = None,
    *,
    first: int = 0,
) -> ShardEntry:
    """Write a shard at once; the parameters are those of `ShardWriter` and its `add`."""
    with ShardWriter(folder, name, codes.shape[1], first) as writer:
        writer.add(codes, ids, labels, metadata)
        return writer.finish()


@contextmanager
def open_shard(folder: Path, entry: ShardEntry) -> Iterator[ColumnFile]:
    """Open a shard, whose header is compared with what the manifest lists.

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    OSError
        Where it cannot be read.
    ValueError
        Where the file is damaged, which may be found while it is read, or is not the one that the entry
        means; it is named.
    """
    path = folder / entry.file
    try:
        with errors_of(path), ColumnFile(path) as file:
            header = file.header
            found = (header.metadata["format"], header.rows, file.bytes, header.digest)
            if found != (SHARD_FORMAT, entry.rows, entry.bytes, entry.digest):
                raise ValueError("it is another one than the manifest lists")
            yield file
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is not a readable shard: {error}") from error


def check_shard(header: Header, manifest: Manifest) -> None:
    """Raise ValueError unless a shard has the dimensions, the ids and the labels of its manifest."""
    if header.dim != manifest.dim:
        raise ValueError(f"its codes have {header.dim} dimensions, those of the manifest {manifest.dim}")
    if "ids" in header.tensors and not manifest.own_ids:
        raise ValueError("it has ids, and the manifest says that ids are positions")
    check_part(header.metadata.get("labels_dtype"), manifest.labels_dtype)


def read_shard(folder: Path, entry: ShardEntry, *, mapped: bool = False, verified: bool = True) -> Columns:
    """Read a shard.

    Parameters
    ----------
    folder : Path
    entry : ShardEntry
        What the manifest lists of it.
    mapped : bool
        Whether the codes are mapped: then they occupy memory only while they are used. A process that makes
        the file shorter meanwhile ends this one by SIGBUS; no process of latentknn changes a file in place.
    verified : bool
        Whether every byte is compared with its digest; the header always is.

    Raises
    ------
    MemoryError
        Where columns that are not mapped are larger than the memory of this machine.
    OSError, ValueError
        As `open_shard`.
    """
    with open_shard(folder, entry) as file:
        return file.read(mapped=mapped, verified=verified)
