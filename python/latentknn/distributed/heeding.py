"""Shards whose searches end where nobody waits for their answer any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.index import CosineIndex, RadiusResult, SearchResult
from latentknn.index.class_search import ClassSearch
from latentknn.shards.shard import IndexShard, Searchable

_LONG = 2**30
"""Pairs of a query and a code from which on a search of one shard is cut into pieces, some seconds each."""


class GivenUpError(RuntimeError):
    """Whoever asked has given up: the time is over, or another worker was faster. Nobody is told of it."""


class HeedingShard(IndexShard):
    """A shard that looks, each time that it is searched, whether the answer is still wanted.

    Parameters
    ----------
    index : CosineIndex
    number : int
        Which shard it is.
    check : callable
        Raises `GivenUpError` where the call that this thread answers was given up.
    """

    def __init__(self, index: CosineIndex, number: int, check: Callable[[], None]) -> None:
        super().__init__(index, number)
        self._heeding = _HeedingIndex(index, check)
        self._check = check

    @contextmanager
    def searchable(self) -> Iterator[Searchable]:
        """Give the index, if the answer is still wanted."""
        self._check()
        yield self._heeding

    @contextmanager
    def classes_apart(self) -> Iterator[ClassSearch]:
        """Give the classes, if the answer is still wanted."""
        self._check()
        with super().classes_apart() as apart:
            yield apart


class _HeedingIndex:
    """An index whose long searches look now and then whether the answer is still wanted."""

    exact = True

    def __init__(self, index: CosineIndex, check: Callable[[], None]) -> None:
        self._index = index
        self._check = check

    def __len__(self) -> int:
        return len(self._index)

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._index.dim

    @property
    def codes(self) -> NDArray[np.float32]:
        """The codes, in order of insertion."""
        return self._index.codes

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, in order of insertion."""
        return self._index.ids

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, in order of insertion, or None."""
        return self._index.labels

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        allowed: ArrayLike | None,
        at_least: ArrayLike | None,
        scores64: bool,
    ) -> SearchResult:
        """Search as `CosineIndex.search` does."""
        long = len(np.asarray(queries)) * len(self) >= _LONG
        return self._index.search(
            queries,
            k,
            allowed=allowed,
            at_least=at_least,
            scores64=scores64,
            progress=self._told if long else False,
        )

    def search_radius(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | None,
        sort: bool,
        scores64: bool,
        max_results: int,
    ) -> RadiusResult:
        """Search as `CosineIndex.search_radius` does."""
        return self._index.search_radius(
            queries, similarity, allowed=allowed, sort=sort, scores64=scores64, max_results=max_results
        )

    def count_within(
        self, queries: ArrayLike, similarity: ArrayLike, *, allowed: ArrayLike | None
    ) -> NDArray[np.int64]:
        """Count as `CosineIndex.count_within` does."""
        return self._index.count_within(queries, similarity, allowed=allowed)

    def _told(self, done: int, count: int) -> None:
        self._check()
