"""The shards of a folder: files that do not change once they are written."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.files.column_file import ColumnFile, Columns
from latentknn.files.column_writer import ColumnWriter
from latentknn.files.header import SHARD_FORMAT
from latentknn.files.manifest import ShardEntry


class ShardWriter:
    """Writes a shard from batches, for ``with``; it appears under its name when `finish` is called.

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
        self._name = name
        self._dim = dim
        self._first = first
        self._files = ExitStack()
        with ExitStack() as files:
            path = files.enter_context(atomic_file(folder / name))
            self._columns = files.enter_context(ColumnWriter(path, dim))
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
    ) -> None:
        """Append a batch, as `ColumnWriter.add` does; it is not held in memory.

        Where this raises, the shard cannot be finished any more.
        """
        try:
            self._columns.add(codes, ids, labels)
        except BaseException:
            self.discard()
            raise

    def finish(self) -> ShardEntry:
        """Complete the file, give it its name, and return what a manifest lists of it."""
        try:
            written = self._columns.finish({"format": SHARD_FORMAT})
        except BaseException:
            self.discard()
            raise
        self._files.close()
        return ShardEntry(self._name, written.rows, self._first, written.bytes, written.digest)

    def discard(self) -> None:
        """Delete the file unless it is finished."""
        # What is open hears of an error, and gives no name to the file.
        with suppress(_DiscardedError):
            files = self._files.pop_all()
            files.__exit__(_DiscardedError, _DiscardedError(), None)


class _DiscardedError(Exception):
    """A shard will not be finished."""


def write_shard(
    folder: Path,
    name: str,
    codes: NDArray[np.float32],
    ids: NDArray[np.int64] | None = None,
    labels: NDArray[Any] | None = None,
    *,
    first: int = 0,
) -> ShardEntry:
    """Write a shard at once; the parameters are those of `ShardWriter` and its `add`."""
    with ShardWriter(folder, name, codes.shape[1], first) as writer:
        writer.add(codes, ids, labels)
        return writer.finish()


def read_shard(folder: Path, entry: ShardEntry, *, mapped: bool = False, verified: bool = True) -> Columns:
    """Read a shard.

    Parameters
    ----------
    folder : Path
    entry : ShardEntry
        What the manifest lists of it.
    mapped : bool
        Whether the codes are mapped: then they take memory only while they are used. A process that makes the
        file shorter meanwhile ends this one by SIGBUS; no process of latentknn changes a file in place.
    verified : bool
        Whether every byte is compared with its digest; the header always is.

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    OSError
        Where it cannot be read.
    MemoryError
        Where columns that are not mapped are larger than the memory of this machine.
    ValueError
        Where the file is damaged, or is not the one that the entry means; it is named.
    """
    path = folder / entry.file
    try:
        with ColumnFile(path) as file:
            header = file.header
            found = (header.metadata["format"], header.rows, file.bytes, header.digest)
            if found != (SHARD_FORMAT, entry.rows, entry.bytes, entry.digest):
                raise ValueError("it is another one than the manifest lists")
            return file.read(mapped=mapped, verified=verified)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is not a readable shard: {error}") from error
