"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to ``path`` if the block ends without an error.

    Parameters
    ----------
    path : Path
        The final path. Its folder must exist; an older file is replaced.

    Yields
    ------
    Path
        A file of the same name in a temporary folder beside it.
    """
    with TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workspace:
        unfinished = Path(workspace) / path.name
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
