"""Indexes in files: one safetensors file, or a folder of shards."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file, errors_of
from latentknn.files.column_file import ColumnFile, check_memory
from latentknn.files.column_writer import BATCH_BYTES, ColumnWriter, NoTarget, Target, Written
from latentknn.files.folder import WritableFolder
from latentknn.files.header import INDEX_FORMAT, SHARD_FORMAT
from latentknn.files.label_columns import check_labels, narrowed
from latentknn.files.manifest import Manifest, ShardEntry, generations, listed_classes, read_newest
from latentknn.files.metadata_column import encoded, joined_metadata
from latentknn.files.shard import check_shard, open_shard
from latentknn.index.labelled_rows import LabelledRows

_WHOLE_NUMBER = re.compile("[0-9]{1,19}")
_MOST_ID = (1 << 63) - 1

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class SavedIndex:
    """What an index is saved from.

    Parameters
    ----------
    dim : int
        Dimensions of a code.
    codes : callable
        Returns a copy of the codes (n, dim) from a position up to another.
    rows : LabelledRows
        What belongs to the codes.
    """

    dim: int
    codes: Callable[[int, int], NDArray[np.float32]]
    rows: LabelledRows

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        """Labels by position, where there are any; they may be a copy, which is made once."""
        return self.rows.labels

    @cached_property
    def metadata(self) -> Any:
        """Metadata by position, where there are any; they may be a copy, which is made once."""
        return self.rows.metadata

    @cached_property
    def own_ids(self) -> NDArray[np.int64] | None:
        """Ids by position, or None while every id is one; they may be a copy, which is made once."""
        return self.rows.own_ids


@dataclass(frozen=True, eq=False)
class OpenedIndex:
    """An index in a file or a folder, whose header or manifest has been read.

    Parameters
    ----------
    count, dim : int
        Shape of the codes.
    own_ids : bool
        Whether codes have other ids than their positions.
    verified : bool
        Whether every byte is compared with a digest; files of version 0.1 have none.
    read : callable
        Fills an array of shape (count, dim), float32, in C order, and returns what belongs to the codes; ids
        may be there twice. Raises OSError, and UnreadableIndexError where the index is damaged.
    """

    count: int
    dim: int
    own_ids: bool
    verified: bool
    read: Callable[[NDArray[np.float32]], LabelledRows]


@dataclass(frozen=True, eq=False)
class LoadedIndex:
    """What a file or a folder holds; ids may still be there twice.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float32
    rows : LabelledRows
    verified : bool
        As in `OpenedIndex`.
    """

    codes: NDArray[np.float32]
    rows: LabelledRows
    verified: bool


class UnreadableIndexError(ValueError):
    """A file or folder is no index, or is a damaged one; the message names it."""

    def __init__(self, path: str | os.PathLike[str], cause: ValueError) -> None:
        super().__init__(f"{os.fspath(path)!r} is not a readable index file: {cause}")


def write_index(path: str | os.PathLike[str], index: SavedIndex) -> None:
    """Write an index to a folder that exists or whose path ends in a separator, or else to a file.

    What was there before stays until all is written.

    Raises
    ------
    OSError
        Where it cannot be written, or a folder holds other files or is being changed.
    TypeError
        For labels that are neither numbers nor strings.
    ValueError
        Where the manifest of a folder is damaged.
    """
    if index.labels is not None:
        check_labels(index.labels.dtype)
    if os.path.isdir(path) or os.fspath(path).endswith(os.sep):
        _write_folder(Path(path), index)
    else:
        _write_file(Path(path), index)


def open_index(path: str | os.PathLike[str], make: Callable[[OpenedIndex], Made]) -> Made:
    """Open an index in a file or a folder, and return what a function makes of it while it is open.

    The function is called again where a writer has replaced a folder in the meantime.

    Raises
    ------
    FileNotFoundError
        Where there is no such file, or no index in the folder.
    MemoryError
        Where it is larger than the memory of this machine.
    OSError
        Where it cannot be read.
    ValueError
        Where it is damaged or something else; it is named.
    """
    if os.path.isdir(path):
        return _open_folder(Path(path), make)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no index file at {os.fspath(path)!r}")
    with errors_of(Path(path)):
        return _open_file(Path(path), make)


def read_index(path: str | os.PathLike[str]) -> LoadedIndex:
    """Read an index from a file or a folder into arrays; raises what `open_index` does."""

    def arrays(stored: OpenedIndex) -> LoadedIndex:
        codes = np.empty((stored.count, stored.dim), np.float32)
        return LoadedIndex(codes, stored.read(codes), stored.verified)

    return open_index(path, arrays)


def _write_file(path: Path, index: SavedIndex) -> None:
    rows = index.rows
    with atomic_file(path) as unfinished, unfinished.open("wb", buffering=0) as file:
        writer = _codes_written(file, index, 0, rows.count)
        if index.own_ids is not None:
            writer.write_ids(index.own_ids)
        if index.labels is not None:
            writer.write_labels(index.labels)
        if index.metadata is not None:
            writer.write_metadata(encoded(index.metadata))
        writer.finish({"format": INDEX_FORMAT, "next_id": str(rows.next_id)})


def _open_file(path: Path, make: Callable[[OpenedIndex], Made]) -> Made:
    with ExitStack() as opened:
        try:
            file = opened.enter_context(ColumnFile(path))
            header = file.header
            next_id = _next_id(file)
            check_memory(path, file.bytes)
        except ValueError as error:
            raise UnreadableIndexError(path, error) from error

        def read(codes: NDArray[np.float32]) -> LabelledRows:
            try:
                columns = file.read(into=codes)
                return _rows(header.rows, columns.labels, columns.ids, next_id, columns.metadata)
            except ValueError as error:
                raise UnreadableIndexError(path, error) from error

        own_ids = "ids" in header.tensors or next_id != header.rows
        return make(OpenedIndex(header.rows, header.dim, own_ids, header.digest is not None, read))


def _next_id(file: ColumnFile) -> int:
    metadata = file.header.metadata
    if metadata["format"] != INDEX_FORMAT:
        raise ValueError("it is one shard of an index; load the folder")
    next_id = metadata.get("next_id", "")
    least = file.header.rows if file.header.digest else 0
    if not _WHOLE_NUMBER.fullmatch(next_id) or not least <= int(next_id) <= _MOST_ID:
        raise ValueError(f"its next id is {next_id[:30]!r}")
    return int(next_id)


def _write_folder(path: Path, index: SavedIndex) -> None:
    """Write the shards that the folder does not have yet, and a manifest."""
    rows = index.rows
    with WritableFolder(path) as folder:
        before = folder.manifest or Manifest(index.dim, (), 0)
        shards = _shards_that_stay(folder.path, before, index)
        all_stay = shards == before.shards
        first = sum(shard.rows for shard in shards)
        if first < rows.count:
            shards = (*shards, _write_shard(folder.path, folder.new_name(), index, first))
        new_labels = None if index.labels is None else index.labels[first if all_stay else 0 :]
        manifest = Manifest(
            dim=index.dim,
            shards=shards,
            next_id=rows.next_id,
            own_ids=index.own_ids is not None,
            labels_dtype=None if index.labels is None else index.labels.dtype.str,
            classes=listed_classes(new_labels, before.classes if all_stay and first > 0 else ()),
            encoder=before.encoder if all_stay else None,
            generation=before.generation,
        )
        if manifest != folder.manifest:
            folder.commit(manifest)


def _shards_that_stay(folder: Path, before: Manifest, index: SavedIndex) -> tuple[ShardEntry, ...]:
    """Return the first shards of a manifest, as many as are what would be written of their rows now."""
    staying: list[ShardEntry] = []
    for shard in before.shards:
        last = shard.first + shard.rows
        if before.dim != index.dim or last > index.rows.count or not _is_there(folder, shard):
            break
        if _shard_written(NoTarget(), index, shard.first, last).digest != shard.digest:
            break
        staying.append(shard)
    return tuple(staying)


def _is_there(folder: Path, shard: ShardEntry) -> bool:
    """Return whether the file of a shard has its size, its header and its digests of blocks."""
    try:
        with open_shard(folder, shard):
            return True
    except (OSError, ValueError):
        return False


def _write_shard(folder: Path, name: str, index: SavedIndex, first: int) -> ShardEntry:
    with atomic_file(folder / name) as unfinished, unfinished.open("wb", buffering=0) as file:
        written = _shard_written(file, index, first, index.rows.count)
    return ShardEntry(name, written.rows, first, written.bytes, written.digest)


def _shard_written(file: Target, index: SavedIndex, first: int, last: int) -> Written:
    """Write the rows from a position up to another; the same rows give the same bytes in every index."""
    writer = _codes_written(file, index, first, last)
    if index.own_ids is not None:
        ids = index.own_ids[first:last]
        if not np.array_equal(ids, np.arange(first, last)):
            writer.write_ids(ids)
    if index.labels is not None:
        writer.write_labels(narrowed(index.labels[first:last]))
    if index.metadata is not None:
        writer.write_metadata(encoded(index.metadata.slice(first, last - first)))
    return writer.finish({"format": SHARD_FORMAT})


def _codes_written(file: Target, index: SavedIndex, first: int, last: int) -> ColumnWriter:
    writer = ColumnWriter(file, index.dim)
    at_once = max(BATCH_BYTES // (4 * index.dim), 1)
    for begin in range(first, last, at_once):
        writer.write_codes(index.codes(begin, min(begin + at_once, last)))
    return writer


def _open_folder(path: Path, make: Callable[[OpenedIndex], Made]) -> Made:
    while True:
        with errors_of(path):
            manifest = read_newest(path)
        check_memory(path, 4 * manifest.rows * manifest.dim)
        own_ids = manifest.own_ids or manifest.next_id != manifest.rows
        read = partial(_read_shards, path, manifest)
        try:
            return make(OpenedIndex(manifest.rows, manifest.dim, own_ids, True, read))
        except FileNotFoundError:
            # A writer may have replaced the shards since the manifest was read.
            if manifest.generation == max(generations(path), default=0):
                raise


def _read_shards(path: Path, manifest: Manifest, codes: NDArray[np.float32]) -> LabelledRows:
    count = manifest.rows
    labels = None if manifest.labels_dtype is None else np.empty(count, manifest.labels_dtype)
    ids = np.arange(count, dtype=np.int64) if manifest.own_ids else None
    tables = []
    for shard in manifest.shards:
        part = slice(shard.first, shard.first + shard.rows)
        try:
            with open_shard(path, shard) as file:
                check_shard(file.header, manifest)
                columns = file.read(into=codes[part])
                if shard.rows > 0:
                    tables.append(columns.metadata)
        except ValueError as error:
            raise UnreadableIndexError(path, error) from error
        if ids is not None and columns.ids is not None:
            ids[part] = columns.ids
        if labels is not None and columns.labels is not None:
            labels[part] = columns.labels
    try:
        metadata = joined_metadata(tables)
    except ValueError as error:
        raise UnreadableIndexError(path, error) from error
    return _rows(count, labels, ids, manifest.next_id, metadata)


def _rows(
    count: int,
    labels: NDArray[Any] | None,
    ids: NDArray[np.int64] | None,
    next_id: int,
    metadata: Any,
) -> LabelledRows:
    # Where no code has an id of its own, the next one would get its position.
    own_ids = np.arange(count, dtype=np.int64) if ids is None and next_id != count else ids
    return LabelledRows(count, labels, own_ids, next_id, metadata)
