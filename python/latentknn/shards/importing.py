"""Files of codes, as shards."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from latentknn.arrays import as_rows
from latentknn.shards.sources import Columns, batches_of
from latentknn.shards.writer import Writer

_PEEKED_DIM = 1 << 14
"""The dimension by which the first batch is read, so that it is small: that of the codes is not known yet."""


def write_files(
    path: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]],
    *,
    codes: str = "codes",
    labels: str | None = None,
    ids: str | None = None,
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
    label_array : array-like of shape (n,), optional
        The labels of one file of the kind ``.npy``, which has none.
    rows_per_shard, append
        See `Writer`.

    Raises
    ------
    FileNotFoundError, OSError, TypeError, ValueError
        See `Writer` and its `extend`; the folder is what it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> codes = os.path.join(folder, "codes.npy")
    >>> np.save(codes, np.float32([[1, 0], [1, 1], [0, 2]]))
    >>> lk.shards.write_files(os.path.join(folder, "db"), [codes], label_array=["right", "both", "up"])
    3
    >>> lk.shards.open(os.path.join(folder, "db")).labels.tolist()
    ['right', 'both', 'up']
    """
    if not sources:
        raise ValueError("name at least one file of codes")
    with Writer(path, dimension_of(sources[0], codes), rows_per_shard, append=append) as writer:
        if label_array is not None:
            if len(sources) > 1 or Path(sources[0]).suffix != ".npy":
                raise ValueError("labels of their own belong to one .npy file of codes")
            writer.add(np.load(sources[0], mmap_mode="r", allow_pickle=False), label_array)
        else:
            for source in sources:
                writer.extend(source, codes=codes, labels=labels, ids=ids)
        return writer.rows


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
