"""Opening files that are to be read and cannot make a reader wait."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def open_regular_file(path: Path) -> tuple[int, int]:
    """Open a file for reading, and return its descriptor and its size.

    Raises
    ------
    OSError
        Where it cannot be opened.
    ValueError
        For a pipe, a device or a folder.
    """
    # A pipe that nobody writes to would block.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
    except BaseException:
        os.close(file)
        raise
    return file, status.st_size
