"""A shard in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.engines import EngineLike
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.files.column_file import Columns
from latentknn.files.manifest import Manifest, ShardEntry
from latentknn.files.shard import check_shard, open_shard
from latentknn.index import CosineIndex
from latentknn.index.class_search import ClassSearch
from latentknn.index.contents import core_rows
from latentknn.locks import ForkAwareLock
from latentknn.shards.shard import set_classes_apart

_BYTES_OF_ROW = 64
"""Bytes that a search needs of a row beside those of its dimensions: norms, places, ids."""

_BYTES_OF_NUMBER = 12
"""Bytes that a search needs of each number of a code: what is read, the index's own, and packed."""


def bytes_to_search(rows: int, dim: int) -> int:
    """Return how much memory a shard needs at most while it is read, packed and searched."""
    return rows * (dim * _BYTES_OF_NUMBER + _BYTES_OF_ROW)


class StoredShard:
    """A shard that is read from its file when it is searched.

    Every byte is compared with its digest when the file is first read, and its size and its header each time.
    It is read and not mapped: a file that another process makes shorter is an error then, and no signal.

    Parameters
    ----------
    folder : Path
    entry : ShardEntry
    manifest : Manifest
    engine : str or Engine
    threads : int, optional
    stays : bool
        Whether what searches it stays in memory.
    """

    def __init__(
        self,
        folder: Path,
        entry: ShardEntry,
        manifest: Manifest,
        engine: EngineLike,
        threads: int | None,
        stays: bool,
    ) -> None:
        self._folder = folder
        self._entry = entry
        self._manifest = manifest
        self._settings: dict[str, Any] = {"engine": engine, "threads": threads}
        self._stays = stays
        self._verified = False
        self._index: CosineIndex | None = None
        self._making = ForkAwareLock()

    def __len__(self) -> int:
        return self._entry.rows

    def check(self) -> None:
        """Raise OSError or ValueError where the file is not the one that the manifest lists."""
        with open_shard(self._folder, self._entry) as file:
            check_shard(file.header, self._manifest)

    def codes(self) -> NDArray[np.float32]:
        """Return the codes."""
        return self._read().codes if self._index is None else self._index.codes

    def ids(self) -> NDArray[np.int64] | None:
        """Return the ids, if any code of the folder has an id of its own."""
        if not self._manifest.own_ids:
            return None
        return self._ids_of(self._read(codes=False)) if self._index is None else self._index.ids

    def labels(self) -> NDArray[Any] | None:
        """Return the labels, if there are any."""
        return self._labels_of(self._read(codes=False)) if self._index is None else self._index.labels

    def metadata(self) -> Any:
        """Return the metadata, if there are any."""
        return self._read(codes=False, metadata=True).metadata

    def core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return the rows and the number of threads, where they stay and the core searches them."""
        return core_rows(self._made()) if self._stays else None

    @contextmanager
    def searchable(self) -> Iterator[CosineIndex]:
        """Give an index of the shard, which is made again unless it stays."""
        yield self._made()

    @contextmanager
    def classes_apart(self) -> Iterator[ClassSearch]:
        """Give the classes, which are set apart each time."""
        yield set_classes_apart(self.codes(), self.ids(), self.labels())

    def load(self, *, metadata: bool = False) -> CosineIndex:
        """Return an index of the shard, with ids and labels; `metadata` says whether with those too.

        No search needs metadata: those that are not asked for take no memory, and need no pyarrow.
        """
        columns = self._read(metadata=metadata)
        index = CosineIndex(self._manifest.dim, **self._settings)
        index.add(columns.codes, self._labels_of(columns), self._ids_of(columns), metadata=columns.metadata)
        return index

    def _made(self) -> CosineIndex:
        if not self._stays:
            return self.load()
        if self._index is None:
            # Of several first searches one reads the shard, and the others wait for it.
            with self._making:
                if self._index is None:
                    self._index = self.load()
        return self._index

    def _read(self, *, codes: bool = True, metadata: bool = False) -> Columns:
        """Read the columns; without `codes`, those are not to be touched."""
        with open_shard(self._folder, self._entry) as file:
            check_shard(file.header, self._manifest)
            columns = file.read(mapped=not codes, verified=not self._verified, metadata=metadata)
        self._verified = True
        return columns

    def _ids_of(self, columns: Columns) -> NDArray[np.int64] | None:
        if not self._manifest.own_ids:
            return None
        first = self._entry.first
        return np.arange(first, first + len(self)) if columns.ids is None else columns.ids

    def _labels_of(self, columns: Columns) -> NDArray[Any] | None:
        labels, dtype = columns.labels, self._manifest.labels_dtype
        return None if labels is None or dtype is None else labels.astype(dtype, copy=False)
