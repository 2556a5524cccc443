"""Files of codes, as shards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from latentknn.array_likes import as_array
from latentknn.arrays import as_rows
from latentknn.labels import as_labels
from latentknn.shards.sources import Batch, Columns, batches_of, holds_codes_alone
from latentknn.shards.writer import Writer, add_batches

_PEEKED_DIM = 1 << 14
"""The dimension by which the first batch is read, so that it is small: that of the codes is not known yet."""


def write_files(
    path: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]],
    *,
    codes: str = "codes",
    labels: str | None = None,
    ids: str | None = None,
    metadata: Sequence[str] = (),
    label_array: ArrayLike | None = None,
    rows_per_shard: int = 1 << 20,
    append: bool = False,
) -> int:
    """Write files of codes to a folder of shards, and return how many codes that were.

    Parameters
    ----------
    path : str or path
        The folder; see `Writer`.
    sources : sequence of str or path
        At least one file that `Writer.extend` reads, in this order.
    codes, labels, ids : str, optional
        Names of columns; see `Writer.extend`.
    metadata : sequence of str
        Names of the columns that are metadata; see `Writer.extend`.
    label_array : array-like of shape (n,), optional
        The labels of one ``.npy`` or ``.fvecs`` file, which has none.
    rows_per_shard, append
        See `Writer`.

    Raises
    ------
    FileNotFoundError, ImportError, OSError, TypeError, ValueError
        See `Writer` and its `extend`, and where labels are more or fewer than codes; the folder is what it
        was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import latentknn as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/codes.npy", np.eye(3))
    ...     lk.shards.write_files(f"{folder}/db", [f"{folder}/codes.npy"], label_array=["a", "b", "a"])
    ...     lk.shards.open(f"{folder}/db").labels.tolist()
    3
    ['a', 'b', 'a']
    """
    if not sources:
        raise ValueError("name at least one file of codes")
    if label_array is not None and (len(sources) > 1 or not holds_codes_alone(sources[0])):
        raise ValueError(
            "labels of their own belong to one .npy file or one .fvecs file; those of other files are columns"
        )
    columns = Columns(codes, labels, ids, tuple(metadata))
    dim = dimension_of(sources[0], codes)
    with Writer(path, dim, rows_per_shard, append=append) as writer:
        for source in sources:
            name = os.fspath(source)
            batches = batches_of(source, columns, dim)
            if label_array is not None:
                batches = _labelled(batches, label_array, name)
            add_batches(writer, batches, name)
        return writer.rows


def _labelled(batches: Iterator[Batch], labels: ArrayLike, name: str) -> Iterator[Batch]:
    """Return batches with the labels of their codes; ValueError where there are more or fewer labels."""
    array = as_array(labels, "labels")
    if array.ndim != 1 or array.dtype.kind in "OT":
        # Objects have one type all together, and may have several batch by batch.
        array = as_labels(array, array.size)
    begin = 0
    for batch in batches:
        end = begin + len(batch.codes)
        if end > len(array):
            raise ValueError(f"{name} holds more codes than labels were given, which are {len(array):,}")
        yield replace(batch, labels=array[begin:end])
        begin = end
    if begin < len(array):
        raise ValueError(f"{name} holds {begin:,} codes, and {len(array):,} labels were given")


def dimension_of(source: str | os.PathLike[str], codes: str = "codes") -> int:
    """Return the dimensions of the codes in a file, by its first rows.

    Raises
    ------
    FileNotFoundError, OSError, TypeError, ValueError
        Where there are none.
    """
    path = Path(source)
    if path.suffix == ".fvecs":
        head = np.fromfile(path, "<i4", 1)
        if len(head) == 0 or head[0] < 1:
            raise ValueError(f"{path.name!r} holds no vectors")
        return int(head[0])
    for batch in islice(batches_of(path, Columns(codes), _PEEKED_DIM), 1):
        return int(as_rows(batch.codes, "codes").shape[1])
    raise ValueError(f"{path.name!r} holds no codes")
