"""A context manager that writes a file as a whole or not at all."""

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

_UNFINISHED = re.compile(r"\.latentknn-[0-9a-f]{16}\.tmp(?:\.keras)?")


@contextmanager
def atomic_file(path: Path, suffix: str = "") -> Iterator[Path]:
    """Give a path to write to, and rename that file to ``path`` if the block ends without an error.

    The new file has the mode of the file that it replaces, or else the one that the umask gives. It is on
    the disk, and so is its name, when the block has ended. What a killed process has left in the folder is
    deleted.

    Parameters
    ----------
    path : Path
        The final path. Its folder must exist; an older file there is replaced. A symbolic link is followed:
        the file that it leads to is replaced, and the link stays.
    suffix : str
        What the name of the unfinished file must end with, "" or ".keras".

    Yields
    ------
    Path
        An empty file beside the final one, to be written in place: one that replaces it is not locked, and a
        process that saves to the same folder at that moment may delete it.

    Raises
    ------
    IsADirectoryError, FileNotFoundError, NotADirectoryError
        If the path is a folder, or its parent is missing or a file. Nothing is written then.
    OSError
        If the file cannot be written, with the number of the error and a path.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, name a file in it", str(path))
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "make the folder first, it does not exist", str(path.parent))
    if not path.parent.is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR, "is a file, so nothing can be written in it", str(path.parent)
        )
    delete_unfinished(path.parent)
    with errors_of(path):
        unfinished, lock = _create(path.parent, suffix)
        try:
            mode = S_IMODE(os.fstat(lock).st_mode)
            with suppress(FileNotFoundError):
                mode = S_IMODE(path.stat().st_mode)
            yield unfinished
            _complete(unfinished, mode)
            os.replace(unfinished, path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        finally:
            os.close(lock)
        sync_folder(path.parent)


def delete_unfinished(folder: Path) -> None:
    """Delete the files of ``atomic_file`` in a folder whose writers are gone."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if _UNFINISHED.fullmatch(name):
                _delete_if_abandoned(folder / name)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _create(folder: Path, suffix: str) -> tuple[Path, int]:
    """Make an empty file, and return it locked: the lock ends with the process, however that ends."""
    while True:
        path = folder / f".latentknn-{secrets.token_hex(8)}.tmp{suffix}"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with suppress(OSError):
                # A file system without locks does not let others delete the file either.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have seen the file before it was locked, and deleted it.
            is_there = os.fstat(file).st_nlink > 0
        except BaseException:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        if is_there:
            return path, file
        os.close(file)


def _complete(path: Path, mode: int) -> None:
    """Give a file its mode, and wait until it is on the disk."""
    # This need not be the file that was made: safetensors writes to another one, which it gives this name.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(file, mode)
        os.fsync(file)
    finally:
        os.close(file)


def _delete_if_abandoned(path: Path) -> None:
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(file)


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Give errors of the system a path, where they have none or that of an unfinished file."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not _is_unnamed(error.filename):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_unnamed(name: object) -> bool:
    return name is None or _UNFINISHED.fullmatch(os.path.basename(str(name))) is not None
