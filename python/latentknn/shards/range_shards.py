"""Range searches over several shards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_flags, as_rows
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.index.filters import OneMask
from latentknn.index.range_results import RadiusResult, SimilarPairs
from latentknn.index.range_searching import MOST_RESULTS, as_thresholds, pairs_above, search_radius


class RangeShards:
    """Shards with their range searches, where the core holds all of them; base of `ShardedIndex`."""

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
        queries, similarity, allowed, sort, scores64, max_results
            Those of `CosineIndex.search_radius`; codes and flags are those of all shards.

        Returns
        -------
        RadiusResult
            Where each query's codes begin, (M + 1,), and the similarities and ids of all of them.

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.search_radius`.
        RuntimeError
            Where the core does not hold all shards: with engine "cuda", or on the disk; or where the size of
            a shard has changed.
        """
        database, threads = self._required_core_rows()
        rows = as_rows(queries, "queries", database.dim)
        thresholds = as_thresholds(similarity, len(rows))
        chosen = None if allowed is None else OneMask(as_flags(allowed, "allowed", len(database)), len(rows))
        return search_radius(database, rows, thresholds, chosen, threads, sort, scores64, max_results)

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
        database, threads = self._required_core_rows()
        rows = as_rows(queries, "queries", database.dim)
        thresholds = as_thresholds(similarity, len(rows))
        flags = None if allowed is None else as_flags(allowed, "allowed", len(database))
        return database.count_range(rows, thresholds, flags, threads)

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
        TypeError, ValueError, RuntimeError
            As `search_radius`.
        """
        (threshold,) = as_thresholds(similarity, 1)
        database, threads = self._required_core_rows()
        return pairs_above(database, database.own_ids(), float(threshold), threads)

    def _required_core_rows(self) -> tuple[CpuDatabase, int]:
        core = self._core_rows()
        if core is None:
            raise RuntimeError(
                "the shards are searched one by one, not together in this process, and no range is searched "
                "in so: open them without mmap=True and with engine='cpu', or ask each index of theirs"
            )
        return core

    def _core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return all rows, and a number of threads, where the core holds all of them; else None."""
        raise NotImplementedError
