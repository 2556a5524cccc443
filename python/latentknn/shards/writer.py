"""Writing shards to a folder, a batch at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_int64, as_rows
from latentknn.files.folder import WritableFolder
from latentknn.files.label_columns import check_labels, narrowed
from latentknn.files.manifest import Manifest, listed_classes
from latentknn.files.metadata_column import as_metadata, fitted
from latentknn.files.shard import ShardWriter, read_shard
from latentknn.index.counts import positive
from latentknn.labels import as_labels
from latentknn.shards.distinct_ids import DistinctIds
from latentknn.shards.sources import Batch, Columns, batches_of

_ROWS_PER_SHARD = 1 << 20


class Writer:
    """Writes codes that arrive in batches to a folder of shards, for ``with``; `lk.shards.open` reads it.

    Nothing is seen of what is written before the block ends: if it ends by an error, or the process does, the
    folder is what it was. Shards that stand in a manifest are never changed.

    Parameters
    ----------
    path : str or path
        A folder; made where there is none. It must hold no index yet, unless `append`.
    dim : int
        Dimensions of a code.
    rows_per_shard : int
        Codes of every shard but the last. A search of a folder that is larger than memory reads one shard at
        a time.
    append : bool
        Whether the codes follow those of an index in the folder, as more shards.

    Raises
    ------
    BlockingIOError
        Where another process, or another thread, is changing the folder.
    FileExistsError
        Where the folder holds an index, without `append`.
    FileNotFoundError
        For `append`, where there is no index.
    IsADirectoryError
        Where the folder holds other files.
    OSError
        Where the folder cannot be written.
    ValueError
        For a number below 1, a damaged manifest, or another dimension than that of the index.

    Notes
    -----
    Memory: a batch, of 8 MiB of codes for files and tables; and the ids, 8 bytes a code, if codes have ids of
    their own, which must be distinct.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with lk.shards.Writer(folder, dim=2, rows_per_shard=2) as writer:
    ...         writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], labels=["right", "both", "up"])
    ...     with lk.shards.Writer(folder, dim=2, append=True) as writer:
    ...         writer.add([[2.0, 2.0]], labels=["both"])
    ...     index = lk.shards.open(folder)
    ...     index, index.search([[3.0, 4.0]], k=3).ids.tolist()
    (StoredIndex(4 codes of dimension 2 in 3 shards), [[1, 3, 2]])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dim: int,
        rows_per_shard: int = _ROWS_PER_SHARD,
        *,
        append: bool = False,
    ) -> None:
        self._rows_per_shard = positive(rows_per_shard, "rows_per_shard")
        dim = positive(dim, "dim")
        if append and not Path(path).is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no index to append to", os.fspath(path))
        self._shard: ShardWriter | None = None
        self._with_ids: bool | None = None
        self._ids: DistinctIds | None = None
        self._schema: Any = None
        with ExitStack() as opened:
            self._folder = opened.enter_context(WritableFolder(Path(path)))
            self._before = _manifest_before(self._folder, dim, append)
            # What the next manifest says, with the shards that are finished.
            self._next = self._before
            self._opened = opened.pop_all()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    @property
    def rows(self) -> int:
        """Codes that have been added, without those of the index before."""
        return self._next.next_id - self._before.next_id

    def add(
        self,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        metadata: Any = None,
    ) -> None:
        """Append a batch, all of it or, where anything is wrong with it, none.

        Parameters
        ----------
        codes : array-like of shape (n, d)
            Rounded once to float32.
        labels : array-like of shape (n,), optional
            One label a code, a number or a string, for all batches or for none. Numbers must fit the type of
            the first batch's.
        ids : array-like of shape (n,), integers, optional
            Distinct, for all batches or for none; by default positions, or in a folder whose codes have ids
            of their own, the number of codes ever added before each.
        metadata : table or mapping, optional
            As `CosineIndex.add` takes them, for all batches or for none, with the same columns.

        Raises
        ------
        ImportError
            For metadata without pyarrow (``latentknn[tables]``).
        OSError
            Where the batch cannot be written. Then nothing of what was added can be finished.
        TypeError
            For codes that are not real numbers, ids that are not integers, numbers among labels that are
            strings, or metadata that Parquet cannot hold.
        ValueError
            As `CosineIndex.add`, or if the writer is closed.
        """
        if self._closed:
            raise ValueError("the writer is closed; make another one with append=True")
        rows = _core.round_rows(as_rows(codes, "codes", self._next.dim), "codes")
        given = None if labels is None else self._fitting(as_labels(labels, len(rows)))
        own = None if ids is None else as_int64(ids, "ids", len(rows))
        table = None if metadata is None else as_metadata(metadata, len(rows))
        if len(rows) == 0:
            return
        self._check_columns(given is not None, own is not None)
        table = self._fitting_metadata(table)
        if own is None and self._before.own_ids:
            own = np.arange(self._next.next_id, self._next.next_id + len(rows), dtype=np.int64)
        if own is not None:
            self._known_ids().add(own)
        self._with_ids = ids is not None
        self._schema = None if table is None else table.schema
        dtype = None if given is None else given.dtype.str
        if given is not None and self._next.labels_dtype is not None:
            dtype = max(given.dtype, np.dtype(self._next.labels_dtype), key=lambda each: each.itemsize).str
        known = () if self._next.next_id == 0 else self._next.classes
        self._next = replace(
            self._next,
            next_id=self._next.next_id + len(rows),
            own_ids=own is not None,
            labels_dtype=dtype,
            classes=listed_classes(given, known),
        )
        try:
            self._write(rows, own, None if given is None else narrowed(given), table)
        except BaseException:
            self.discard()
            raise

    def extend(
        self,
        source: Any,
        *,
        codes: str = "codes",
        labels: str | None = None,
        ids: str | None = None,
        metadata: Sequence[str] = (),
    ) -> None:
        """Append a file or a table, a batch at a time.

        Parameters
        ----------
        source : str, path or table
            A file that ends in ``.npy``, ``.fvecs``, ``.parquet``, ``.arrow``, ``.feather``, ``.h5`` or
            ``.hdf5``; or a table of Arrow, polars or pandas, or a reader of batches: anything with
            ``__arrow_c_stream__``.
        codes : str
            Name of the column of lists, or of the data set of HDF5, that holds the codes.
        labels, ids : str, optional
            Names of those that hold labels and ids; ``.npy`` and ``.fvecs`` have none.
        metadata : sequence of str
            Names of the columns that are metadata; HDF5 has none either.

        Raises
        ------
        ImportError
            Where pyarrow (``latentknn[tables]``) or h5py (``latentknn[hdf5]``) is needed and missing.
        OSError
            Where the file cannot be read.
        TypeError, ValueError
            For another kind of source, or a name that is not there; and as `add`, naming the rows of the
            batch, where those before it have been added, as `rows` tells.
        """
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
        columns = Columns(codes, labels, ids, tuple(metadata))
        add_batches(self, batches_of(source, columns, self._next.dim), name)

    def close(self) -> None:
        """Finish the last shard and write the manifest by which all is seen."""
        if self._closed:
            return
        try:
            self._finish_shard()
            if self._next != self._folder.manifest:
                self._folder.commit(self._next)
        finally:
            self.discard()

    def discard(self) -> None:
        """Delete what has been written since the writer was made, unless `close` has finished it."""
        self._closed = True
        if self._shard is not None:
            self._shard.discard()
            self._shard = None
        self._opened.close()

    def _write(
        self,
        codes: NDArray[np.float32],
        ids: NDArray[np.int64] | None,
        labels: NDArray[Any] | None,
        metadata: Any,
    ) -> None:
        """Write rows to as many shards as they need."""
        begin = 0
        while begin < len(codes):
            if self._shard is None:
                name = self._folder.new_name()
                self._shard = ShardWriter(self._folder.path, name, self._next.dim, self._next.rows)
            end = min(len(codes), begin + self._rows_per_shard - self._shard.rows)
            part = slice(begin, end)
            self._shard.add(
                codes[part],
                None if ids is None else ids[part],
                None if labels is None else labels[part],
                None if metadata is None else metadata.slice(begin, end - begin),
            )
            begin = end
            if self._shard.rows == self._rows_per_shard:
                self._finish_shard()

    def _finish_shard(self) -> None:
        if self._shard is not None:
            self._next = replace(self._next, shards=(*self._next.shards, self._shard.finish()))
            self._shard = None

    def _check_columns(self, labelled: bool, with_ids: bool) -> None:
        """Raise ValueError for a batch with labels or ids among others without."""
        if self._next.next_id > 0 and labelled != (self._next.labels_dtype is not None):
            said = "have no labels, so new ones cannot have any" if labelled else "have labels; pass labels="
            raise ValueError(f"the codes before {said}")
        if self._with_ids is not None and with_ids != self._with_ids:
            said = "have no ids of their own, so this one cannot" if with_ids else "have ids; pass ids="
            raise ValueError(f"the batches before {said}")

    def _fitting(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return labels in the type of those before, strings in any width."""
        labels = labels.astype(labels.dtype.newbyteorder("="), copy=False)
        check_labels(labels.dtype)
        if self._next.labels_dtype is None:
            return labels
        known = np.dtype(self._next.labels_dtype)
        if known.kind == labels.dtype.kind and known.kind in "US":
            return labels
        if known.kind not in "US" and labels.dtype.kind not in "US":
            # Converting the largest integers back may overflow, and NumPy would warn of it.
            with np.errstate(invalid="ignore"):
                converted = labels.astype(known)
                if np.array_equal(converted.astype(labels.dtype), labels):
                    return converted
        raise ValueError(
            f"labels of dtype {labels.dtype} do not fit {known}, the type of those before; convert them, or "
            "write all in one type"
        )

    def _fitting_metadata(self, table: Any) -> Any:
        """Return metadata with the columns of those before; ValueError where there are others, or none."""
        if self._next.next_id == 0:
            return table
        schema = self._schema
        if self.rows == 0:
            entries = [entry for entry in self._before.shards if entry.rows > 0]
            known = read_shard(self._folder.path, entries[-1], mapped=True).metadata if entries else table
            schema = None if known is None else known.schema
        if (table is None) != (schema is None):
            said = "have metadata; pass metadata=" if table is None else "have no metadata, nor can new ones"
            raise ValueError(f"the codes before {said}")
        return None if table is None else fitted(table, schema)

    def _known_ids(self) -> DistinctIds:
        """Return the ids so far."""
        if self._ids is None:
            self._ids = DistinctIds()
            for entry in self._before.shards:
                known = np.arange(entry.first, entry.first + entry.rows)
                if self._before.own_ids:
                    read = read_shard(self._folder.path, entry, mapped=True).ids
                    known = known if read is None else read
                self._ids.add(known)
        return self._ids


def add_batches(writer: Writer, batches: Iterable[Batch], name: str) -> None:
    """Add the batches of a source to a writer; an error names the source and the rows of its batch."""
    begin = 0
    for batch in batches:
        before = writer.rows
        try:
            writer.add(batch.codes, batch.labels, batch.ids, metadata=batch.metadata)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}, in the rows from {begin:,} on: {error}") from error
        begin += writer.rows - before


def _manifest_before(folder: WritableFolder, dim: int, append: bool) -> Manifest:
    """Return the manifest of the index that is appended to, or of no codes."""
    name = os.fspath(folder.path)
    if folder.manifest is None:
        if append:
            raise FileNotFoundError(errno.ENOENT, "there is no index to append to", name)
        return Manifest(dim, (), 0)
    if not append:
        raise FileExistsError(errno.EEXIST, "holds an index; add to it by append=True, or name another", name)
    if folder.manifest.dim != dim:
        raise ValueError(f"{name!r} holds codes of {folder.manifest.dim} dimensions, received dim = {dim}")
    return folder.manifest
