"""A context manager that writes a file as a whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, and rename that file to ``path`` if the block ends without an error.

    Parameters
    ----------
    path : Path
        The final path. Its folder must exist; an older file there is replaced.

    Yields
    ------
    Path
        A file of the same name in a temporary folder beside it.

    Raises
    ------
    IsADirectoryError, FileNotFoundError, NotADirectoryError
        If the path is a folder, or its parent is missing or a file. Nothing is written then.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, name a file in it", str(path))
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "make the folder first, it does not exist", str(path.parent))
    if not path.parent.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "is a file, so nothing can be written in it", str(path.parent)
        )
    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workspace:
        unfinished = Path(workspace) / path.name
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
