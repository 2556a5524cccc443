"""Libraries that write to the error output by themselves, which is for errors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_ERRORS = 2
"""The file descriptor of the error output, to which libraries of C++ write."""


@contextmanager
def errors_held_back() -> Iterator[TextIO]:
    """Hold back what is written to the error output in the block; give what leads there all the same.

    If a library cannot be imported, what was held back is written then, as it may say why.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(_ERRORS), "w") as real:
        os.dup2(held.fileno(), _ERRORS)
        try:
            yield real
        except ImportError:
            held.seek(0)
            real.buffer.write(held.read())
            raise
        finally:
            sys.stderr.flush()
            real.flush()
            os.dup2(real.fileno(), _ERRORS)


def import_tensorflow() -> None:
    """Import TensorFlow without the lines that it logs before it reads how much it may log.

    Raises
    ------
    ImportError
        If it is missing; the message says what to install.
    """
    if "latentknn.models.backend" in sys.modules:
        return
    from latentknn.progress import bar

    with errors_held_back() as real, bar("import TensorFlow", real):
        import latentknn.models.backend  # noqa: F401


def import_umap() -> None:
    """Import UMAP without the lines that TensorFlow logs, which it imports where that is installed.

    Raises
    ------
    ImportError
        If it cannot be imported.
    """
    if "umap" in sys.modules:
        return
    from latentknn.progress import bar

    with errors_held_back() as real, bar("import UMAP", real):
        import umap  # noqa: F401
