"""Whether the files of a folder are what was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from latentknn.files.manifest import Manifest, ShardEntry, read_newest
from latentknn.files.shard import check_shard, open_shard


def verify(path: str | os.PathLike[str], checked: Callable[[ShardEntry], None] | None = None) -> Manifest:
    """Compare every byte of a folder's shards with its digest, and return the manifest.

    Parameters
    ----------
    path : str or path
    checked : callable, optional
        Is told of every shard that is whole.

    Raises
    ------
    FileNotFoundError
        Where there is no index, or a shard is missing.
    OSError
        Where something cannot be read.
    ValueError
        For the first file that is damaged; it is named.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]]).save(folder)
    ...     lk.shards.verify(folder, lambda entry: print(entry.rows)).generation
    2
    1
    """
    folder = Path(path)
    manifest = read_newest(folder)
    for entry in manifest.shards:
        with open_shard(folder, entry) as file:
            check_shard(file.header, manifest)
            file.read(mapped=True)
        if checked is not None:
            checked(entry)
    return manifest
