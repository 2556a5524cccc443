"""Range searches over several shards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_flags, as_rows
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.index.counts import positive
from latentknn.index.filters import filter_of_flags
from latentknn.index.range_results import RadiusResult, SimilarPairs
from latentknn.index.range_searching import MOST_RESULTS, as_thresholds, pairs_above, search_radius
from latentknn.shards.range_rounds import counts_of_parts, ranges_of_parts
from latentknn.shards.rounds import Part


class RangeShards:
    """Shards with their range searches; base of `ShardedIndex`.

    Where the core holds all shards, it searches them together, else they are asked one by one.
    """

    def search_radius(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | None = None,
        sort: bool = True,
        scores64: bool = False,
        max_results: int = MOST_RESULTS,
    ) -> RadiusResult:
        """Find all codes of at least a similarity to a query, as `CosineIndex.search_radius` does.

        Parameters
        ----------
        queries, similarity, sort, scores64, max_results
            Those of `CosineIndex.search_radius`.
        allowed : array-like of shape (N,), bool, optional
            A mask of the codes of all shards. Other filters of `search` are not taken.

        Returns
        -------
        RadiusResult
            Where each query's codes begin, (M + 1,), and the similarities and ids of all of them.

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.search_radius`.
        RuntimeError
            Where the size of a shard has changed, or a shard that is no `CosineIndex` has no such method.
        """
        core = self._core_rows()
        rows = as_rows(queries, "queries", self.dim)
        thresholds = as_thresholds(similarity, len(rows))
        flags = None if allowed is None else as_flags(allowed, "allowed", len(self))
        if core is not None:
            database, threads = core
            chosen = None if flags is None else filter_of_flags(flags, len(rows))
            return search_radius(database, rows, thresholds, chosen, threads, sort, scores64, max_results)
        most = min(positive(max_results, "max_results"), sys.maxsize)
        rounded = _core.round_rows(rows, "queries")
        with self._turn():
            found = ranges_of_parts(self._parts(flags), rounded, thresholds, sort, most)
        return found if scores64 else replace(found, scores64=None)

    def count_within(
        self, queries: ArrayLike, similarity: ArrayLike, *, allowed: ArrayLike | None = None
    ) -> NDArray[np.int64]:
        """Count the codes of at least a similarity to a query, as `CosineIndex.count_within` does.

        Parameters
        ----------
        queries, similarity, allowed
            Those of `search_radius`.

        Returns
        -------
        ndarray of shape (M,), int64

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `search_radius`.
        """
        core = self._core_rows()
        rows = as_rows(queries, "queries", self.dim)
        thresholds = as_thresholds(similarity, len(rows))
        flags = None if allowed is None else as_flags(allowed, "allowed", len(self))
        if core is not None:
            database, threads = core
            return database.count_range(rows, thresholds, flags, threads)
        with self._turn():
            return counts_of_parts(self._parts(flags), _core.round_rows(rows, "queries"), thresholds)

    def pairs_above(self, similarity: float) -> Iterator[SimilarPairs]:
        """Find all pairs of codes of at least some similarity, as `CosineIndex.pairs_above` does.

        Parameters
        ----------
        similarity : float
            From -1 to 1.

        Returns
        -------
        iterator of SimilarPairs

        Raises
        ------
        TypeError, ValueError
            As `search_radius`.
        RuntimeError
            Where the core does not hold all shards: with engine "cuda", or on the disk; or where the size of
            a shard has changed.
        """
        (threshold,) = as_thresholds(similarity, 1)
        core = self._core_rows()
        if core is None:
            raise RuntimeError(
                "the shards are searched one by one, not together in this process, and no pairs are found "
                "so: open them without mmap=True and with engine='cpu', or ask each index of theirs"
            )
        database, threads = core
        return pairs_above(database, database.own_ids(), float(threshold), threads)

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        raise NotImplementedError

    def _parts(self, flags: NDArray[np.uint8] | None) -> list[Part]:
        """Return the shards with rows that may be found."""
        raise NotImplementedError

    def _turn(self) -> AbstractContextManager[None]:
        """Give leave to search, for the time of a block."""
        raise NotImplementedError

    def _core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return all rows, and a number of threads, where the core holds all of them; else None."""
        raise NotImplementedError
