"""Indexes that can be saved and loaded."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Self

from latentknn.engines import EngineLike, EngineRequestError
from latentknn.index.contents import IndexContents
from latentknn.index.storage import OpenedIndex, SavedIndex, UnreadableIndexError, open_index, write_index

_VERIFIED = "loaded from a file, every byte of which was compared with its digest"
_UNVERIFIED = "loaded from a file of version 0.1, which has no digests to tell damage by; save it again"


class SavableIndex(IndexContents):
    """An index's contents with their way to the disk and back; base of `CosineIndex`."""

    _origin = ""

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        engine: EngineLike = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Read an index that `save` wrote; it gives the same answers to the bit, if its engine is exact.

        Every byte is compared with a digest that was saved with it. Files of version 0.1 have none: they
        load, and `explain` says so. With the engine "cpu", codes are read to where they stay.

        Parameters
        ----------
        path : str or path
            A file, or a folder with a manifest.
        engine, strategy, threads
            Those of the class.

        Raises
        ------
        FileNotFoundError
            Where there is no such file, or no index in the folder.
        MemoryError
            Where the index is larger than the memory of this machine.
        OSError
            Where it cannot be read.
        ValueError
            For a file that is damaged or is not an index of latentknn.
        """
        settings = {"engine": engine, "strategy": strategy, "threads": threads}
        return open_index(path, partial(cls._made_of, path, settings))

    @classmethod
    def _made_of(cls, path: str | os.PathLike[str], settings: dict[str, Any], stored: OpenedIndex) -> Self:
        index = cls(stored.dim, **settings)
        try:
            index._read(stored.count, stored.own_ids, stored.read)
        except (EngineRequestError, UnreadableIndexError):
            raise
        except ValueError as error:
            raise UnreadableIndexError(path, error) from error
        index._origin = _VERIFIED if stored.verified else _UNVERIFIED
        return index

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one safetensors file, or to a folder: codes, ids, labels and digests, no pickle.

        A failure, even the end of the process, leaves what was there before or the new index, whole; what it
        leaves half-written, the next save there deletes. docs/format.md describes both formats.

        Parameters
        ----------
        path : str or path
            A folder that exists, or a string that ends in ``/``, means a folder with a manifest. Of an index
            that grows, each save there writes only the codes that are new, as one more file; shards that stay
            are not read again. Anything else means one file. A symbolic link is followed: what it leads to is
            replaced, and the link stays.

        Raises
        ------
        BlockingIOError
            Where another process is saving to the folder.
        IsADirectoryError
            For a folder that holds other files.
        OSError
            Where the index cannot be written: a folder that is missing, a full disk and others.
        TypeError
            For labels that are neither numbers nor strings.
        ValueError
            For a folder whose manifest is damaged.

        Examples
        --------
        >>> import tempfile, os
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index.save(folder)
        ...     index.add([[0.0, 2.0]])
        ...     index.save(folder)
        ...     len(lk.CosineIndex.load(folder)), len(os.listdir(folder))
        (3, 3)
        """
        with self._steady() as held:
            write_index(path, SavedIndex(self.dim, held.database.rows, held.rows))
