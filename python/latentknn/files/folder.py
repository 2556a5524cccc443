"""Changing a folder of shards: one writer at a time, and nothing of it is seen before it is whole."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from latentknn.atomic_file import delete_unfinished, errors_of, sync_folder
from latentknn.files.manifest import Manifest, generations, read_newest, write_next

_OWN_NAME = re.compile(r"(?:manifest-[0-9]{6,15}\.json|shard-[0-9A-Za-z-]{1,200}\.safetensors)")


class WritableFolder:
    """A folder of shards that this process alone may change, for ``with``.

    Entering deletes what killed writers have left: unfinished files, shards that no manifest lists and
    manifests that are not the newest. Leaving deletes the shards and the manifests of before, if `commit` has
    been called, and whatever was written without it.

    Parameters
    ----------
    path : Path
        The folder, which is made where there is none; its parent must exist.

    Attributes
    ----------
    manifest : Manifest or None
        The newest; None where nothing has been committed yet.

    Raises
    ------
    BlockingIOError
        Where another process, or another thread, is changing the folder.
    IsADirectoryError
        Where the folder holds other files than those of an index.
    OSError
        Where it cannot be made or locked.
    ValueError
        Where its manifest is damaged; nothing is deleted then.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from latentknn.files.shard import read_shard, write_shard
    >>> codes = np.eye(3, dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as path:
    ...     with WritableFolder(Path(path) / "index") as folder:
    ...         entry = write_shard(folder.path, folder.new_name(), codes)
    ...         manifest = folder.commit(Manifest(dim=3, shards=(entry,), next_id=3))
    ...     manifest.file_name, read_newest(folder.path) == manifest
    ('manifest-000001.json', True)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: Manifest | None = None
        self._names = 0
        with errors_of(path):
            if not path.is_dir():
                path.mkdir()
                sync_folder(path.parent)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._claim()
            except BaseException:
                os.close(self._lock)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with suppress(OSError):
                self._sweep()
        finally:
            os.close(self._lock)

    def new_name(self) -> str:
        """Return a name for a shard of the next manifest."""
        generation = 1 + (self.manifest.generation if self.manifest else 0)
        self._names += 1
        return f"shard-{generation:06d}-{self._names - 1:04d}.safetensors"

    def commit(self, manifest: Manifest) -> Manifest:
        """Write the next manifest, by which everybody sees its shards, and return it with its number.

        Raises
        ------
        OSError
            Where it cannot be written; the folder is as it was.
        ValueError
            As `write_next`.
        """
        with errors_of(self.path):
            self.manifest = write_next(self.path, manifest)
        return self.manifest

    def _claim(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                errno.EWOULDBLOCK, "is being changed by another process; wait for it", str(self.path)
            ) from None
        except OSError as error:
            raise OSError(error.errno, f"cannot be locked: {error.strerror}", str(self.path)) from error
        delete_unfinished(self.path)
        others = [name for name in os.listdir(self.path) if not _OWN_NAME.fullmatch(name)]
        if generations(self.path):
            self.manifest = read_newest(self.path)
        elif others:
            raise IsADirectoryError(
                errno.EISDIR,
                f"is a folder of other files, such as {min(others)!r}; name a file in it, or an empty folder",
                str(self.path),
            )
        self._sweep()

    def _sweep(self) -> None:
        """Delete the files of this format that the newest manifest does not list."""
        listed = {shard.file for shard in self.manifest.shards} if self.manifest else set()
        listed |= {self.manifest.file_name} if self.manifest else set()
        # A manifest goes before the shards that it lists.
        for name in sorted(os.listdir(self.path)):
            if _OWN_NAME.fullmatch(name) and name not in listed:
                (self.path / name).unlink()
