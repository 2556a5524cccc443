"""Range searches of the shards of a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_flags, as_rows
from latentknn.distributed.calls import TIMEOUT, Calls
from latentknn.distributed.client import Client
from latentknn.distributed.filtering import of_groups
from latentknn.distributed.messages import Allowed
from latentknn.distributed.rounds import shared
from latentknn.index import RadiusResult
from latentknn.index.counts import positive
from latentknn.index.range_searching import MOST_RESULTS, TooManyResultsError, as_thresholds
from latentknn.shards.range_rounds import merge_ranges

_Answer = TypeVar("_Answer")


class RangeSearches:
    """Asks every group of shards for all codes within a similarity; base of `DistributedIndex`."""

    _client: Client

    def search_radius(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | str | None = None,
        sort: bool = True,
        scores64: bool = False,
        max_results: int = MOST_RESULTS,
        timeout: float = TIMEOUT,
    ) -> RadiusResult:
        """Find all codes of at least a similarity to a query, as `CosineIndex.search_radius` does.

        Parameters
        ----------
        queries, similarity, sort, scores64
            Those of `CosineIndex.search_radius`.
        allowed : array-like of shape (n,), bool, or str, optional
            Search only the codes whose flag is true; or the name of a mask, see `DistributedIndex.set_mask`.
        max_results : int
            How many codes may be found, for all queries and shards together. Each worker may send as many
            before it is known that they are too many.
        timeout : float
            Seconds after which a shard that has not answered is an error.

        Returns
        -------
        RadiusResult
            Where each query's codes begin, (M + 1,), and the similarities and ids of all of them.

        Raises
        ------
        AnswerTimeoutError, ClusterLostError, GenerationError, IncompleteAnswerError, OSError
            See `DistributedIndex.search`.
        TypeError, ValueError
            As `CosineIndex.search_radius`.
        UnknownMaskError
            For a name of no mask.

        Examples
        --------
        >>> import tempfile
        >>> import latentknn as lk
        >>> folder = tempfile.mkdtemp()
        >>> with lk.shards.Writer(folder, dim=2) as writer:
        ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> with lk.distributed.start(folder) as index:
        ...     indptr, similarities, ids = index.search_radius([[3.0, 4.0], [1.0, 0.0]], 0.7)
        ...     print(indptr.tolist(), ids.tolist(), index.count_within([[3.0, 4.0]], 0.5).tolist())
        [0, 2, 4] [1, 2, 0, 1] [3]
        """
        rows, thresholds = self._asked(queries, similarity)
        most = min(positive(max_results, "max_results"), sys.maxsize)

        def answer(calls: Calls) -> RadiusResult:
            sent, masks = shared(rows), self._masks_of_all(calls, allowed)
            replies = calls.ask(
                "search_radius", {group: (sent, thresholds, most, mask) for group, mask in masks.items()}
            )
            contents = [replies[group].content for group in masks]
            total = sum(each if isinstance(each, int) else len(each.ids) for each in contents)
            if total > most:
                raise TooManyResultsError(total, len(rows), most)
            found = merge_ranges(contents, len(rows), sort)
            return found if scores64 else replace(found, scores64=None)

        return self._answered(timeout, answer, allowed if isinstance(allowed, str) else None)

    def count_within(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | str | None = None,
        timeout: float = TIMEOUT,
    ) -> NDArray[np.int64]:
        """Count the codes of at least a similarity to a query, as `CosineIndex.count_within` does.

        Parameters
        ----------
        queries, similarity, allowed, timeout
            Those of `search_radius`.

        Returns
        -------
        ndarray of shape (M,), int64

        Raises
        ------
        AnswerTimeoutError, ClusterLostError, GenerationError, IncompleteAnswerError, OSError
            See `DistributedIndex.search`.
        TypeError, ValueError, UnknownMaskError
            As `search_radius`.
        """
        rows, thresholds = self._asked(queries, similarity)

        def answer(calls: Calls) -> NDArray[np.int64]:
            sent, masks = shared(rows), self._masks_of_all(calls, allowed)
            replies = calls.ask(
                "count_within", {group: (sent, thresholds, mask) for group, mask in masks.items()}
            )
            counts = np.zeros(len(rows), np.int64)
            for reply in replies.values():
                counts += reply.content
            return counts

        return self._answered(timeout, answer, allowed if isinstance(allowed, str) else None)

    def _asked(
        self, queries: ArrayLike, similarity: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        rows = as_rows(queries, "queries", self.dim)
        return _core.round_rows(rows, "queries"), as_thresholds(similarity, len(rows))

    def _masks_of_all(self, calls: Calls, allowed: ArrayLike | str | None) -> dict[int, Allowed]:
        mask = flags = None
        if isinstance(allowed, str):
            mask = self._client.named_mask(calls, allowed)
        elif allowed is not None:
            flags = as_flags(allowed, "allowed", calls.serving.manifest.rows)
        masks, available = of_groups(calls, flags, mask)
        return masks or dict.fromkeys(available)

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        raise NotImplementedError

    def _answered(
        self, timeout: float, answer: Callable[[Calls], _Answer], mask_name: str | None = None
    ) -> _Answer:
        """Return an answer of one generation."""
        raise NotImplementedError
