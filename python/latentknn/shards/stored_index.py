"""An index over the shards of a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from latentknn.engines import EngineLike, find_engine
from latentknn.files.manifest import Manifest, generations, read_newest
from latentknn.index.counts import positive
from latentknn.locks import ForkAwareLock
from latentknn.shards.asking import Asking
from latentknn.shards.rounds import Part, ask_once
from latentknn.shards.shard import IndexShard, Shard
from latentknn.shards.sharded_index import ShardedIndex
from latentknn.shards.stored_shard import StoredShard, bytes_to_search

_SHARE_OF_MEMORY = 4
"""One part of so many of this machine's memory is the budget by default."""


class StoredIndex(ShardedIndex):
    """The shards of a folder as one index, which `lk.shards.open` returns; see `ShardedIndex`.

    It shows the folder as it was when it was opened. Whoever writes there later changes none of its files,
    but a writer that replaces the index deletes them: then a search that reads them raises FileNotFoundError,
    and the folder has to be opened again.

    Attributes
    ----------
    path : Path
        The folder.
    generation : int
        Number of the manifest that was opened.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]]).save(folder)
    ...     stored = lk.shards.open(folder, mmap=True)
    ...     stored
    ...     stored.search([[3.0, 1.0]], k=1).ids.tolist()
    StoredIndex(2 codes of dimension 2 in 1 shards)
    [[0]]
    """

    def __init__(self, path: Path, manifest: Manifest, shards: Sequence[Shard], all_stay: bool) -> None:
        self.path = path
        self.generation = manifest.generation
        self._all_stay = all_stay
        self._one_at_a_time = ForkAwareLock()
        self._set_shards(shards, manifest.dim, numbered=not manifest.own_ids)

    def _ask(self, parts: Sequence[Part], askings: Sequence[Asking], k: int) -> None:
        if self._all_stay:
            super()._ask(parts, askings, k)
        else:
            ask_once(parts, askings, k)

    def _turn(self) -> AbstractContextManager[None]:
        # Two searches at once would need twice the memory.
        return nullcontext() if self._all_stay else self._one_at_a_time


def open_index(
    path: str | os.PathLike[str],
    *,
    mmap: bool = False,
    memory: int | None = None,
    engine: EngineLike = "auto",
    threads: int | None = None,
) -> StoredIndex:
    """Open a folder of shards as one index, which gives the same bytes as a `CosineIndex` of all its codes.

    Parameters
    ----------
    path : str or path
        A folder that `Writer` or `CosineIndex.save` wrote.
    mmap : bool
        Whether codes stay on the disk. Opening reads headers alone; a search reads one shard after the other,
        packs it, searches it and forgets it, except for the first shards, as many as `memory` has room for.
        By default all shards are read, and compared with their digests, at once.
    memory : int, optional
        Bytes that shards may occupy with `mmap`; by default a quarter of this machine's memory. The answer of
        a search, and labels and ids that are asked for, come on top.
    engine : str or CudaEngine
        What searches each shard; see `CosineIndex`.
    threads : int, optional
        Threads to use; by default all the processors that this process may use.

    Returns
    -------
    StoredIndex

    Raises
    ------
    FileNotFoundError
        Where there is no index in the folder.
    OSError
        Where it cannot be read.
    ValueError
        For a damaged manifest or shard, an engine that is not exact, `memory` without `mmap`, or a shard that
        needs more than `memory`.

    Notes
    -----
    With `mmap`, every byte of a shard is compared with its digest when it is first read, its size and its
    header for each search. Files are read by system calls into memory that the budget counts: a file that
    another process makes shorter gives an error, where a mapping would end the process by SIGBUS.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with lk.shards.Writer(folder, dim=2) as writer:
    ...         writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    ...     index = lk.shards.open(folder, mmap=True, memory=1 << 20)
    ...     index.search([[3.0, 4.0]], k=2).ids.tolist()
    [[1, 2]]
    """
    if not find_engine(engine).exact:
        raise ValueError(f"shards need an engine that is exact, received {engine!r}; use 'cpu' or 'cuda'")
    if memory is not None and not mmap:
        raise ValueError("memory= is the budget of mmap=True; without it, all shards are read")
    folder = Path(path)
    budget = _budget(memory) if mmap else None
    while True:
        manifest = read_newest(folder)
        try:
            return _opened(folder, manifest, budget, engine, threads)
        except FileNotFoundError:
            # A writer may have replaced the shards since the manifest was read.
            if manifest.generation == max(generations(folder), default=0):
                raise


def _opened(
    folder: Path, manifest: Manifest, budget: int | None, engine: EngineLike, threads: int | None
) -> StoredIndex:
    stays = [False] * len(manifest.shards) if budget is None else those_that_stay(manifest, budget)
    stored = [
        StoredShard(folder, entry, manifest, engine, threads, stay)
        for entry, stay in zip(manifest.shards, stays, strict=True)
    ]
    if budget is None:
        loaded = [IndexShard(shard.load(metadata=True), number) for number, shard in enumerate(stored)]
        return StoredIndex(folder, manifest, loaded, True)
    for shard in stored:
        shard.check()
    return StoredIndex(folder, manifest, stored, all(stays))


def _budget(memory: int | None) -> int:
    if memory is not None:
        return positive(memory, "memory")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARE_OF_MEMORY


def those_that_stay(manifest: Manifest, budget: int) -> list[bool]:
    """Return which shards stay in memory once they are read: those that leave room for any other."""
    needs = [bytes_to_search(entry.rows, manifest.dim) for entry in manifest.shards]
    for entry, need in zip(manifest.shards, needs, strict=True):
        if need > budget:
            raise ValueError(
                f"shard {entry.file!r} of {entry.rows:,} codes needs up to {need:,} bytes for a search, and "
                f"memory = {budget:,}; allow more, or write shards of fewer rows_per_shard"
            )
    stays = [False] * len(needs)
    occupied = 0
    for number, need in enumerate(needs):
        others = (each for i, each in enumerate(needs) if i != number and not stays[i])
        stays[number] = occupied + need + max(others, default=0) <= budget
        occupied += need if stays[number] else 0
    return stays
