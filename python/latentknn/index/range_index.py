"""Indexes that find all codes within a similarity, however many they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.engines.database import Database
from latentknn.index.filtered_ranges import count_ranges
from latentknn.index.filters import Filter, Groups, as_filter
from latentknn.index.range_results import RadiusResult, SimilarPairs
from latentknn.index.range_searching import MOST_RESULTS, as_thresholds, pairs_above, search_radius
from latentknn.index.saved_index import SavableIndex


class RangeIndex(SavableIndex):
    """An index that can be saved, with its range searches; base of `CosineIndex`."""

    def search_radius(
        self,
        queries: ArrayLike,
        similarity: ArrayLike,
        *,
        allowed: ArrayLike | Groups | None = None,
        sort: bool = True,
        scores64: bool = False,
        max_results: int = MOST_RESULTS,
    ) -> RadiusResult:
        """Find all codes whose similarity to a query is at least as high as asked for.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            Rounded once to float32.
        similarity : float or array-like of shape (M,)
            From -1 to 1, for all queries or one each. The float64 similarity decides; equal ones are found.
        allowed : array-like or Groups, optional
            Which codes may be found, as for `search`: a boolean mask of shape (n,) in order of insertion,
            distinct ids of shape (m,), a mask for each query of shape (M, n), or `Groups`.
        sort : bool
            Whether a query's codes are ordered by similarity, descending, then by id, ascending; else they
            come in the order of their positions.
        scores64 : bool
            Whether to return the float64 similarities too.
        max_results : int
            How many codes may be found, for all queries together.

        Returns
        -------
        RadiusResult
            Where each query's codes begin, (M + 1,), and the similarities and ids of all of them.

        Raises
        ------
        TypeError
            For queries or similarities that are not real numbers, `allowed` that is neither boolean nor ids,
            or `max_results` that is no integer.
        ValueError
            For a wrong shape, a query with NaN or infinity (the first bad row is named), or a similarity
            outside of [-1, 1]; for ids in `allowed` that are not in the index, or twice; where there are more
            than `max_results` codes, saying how many; and, as `latentknn.engines.FaissRequestError`, where
            FAISS cannot answer.

        Notes
        -----
        The same query gets the same bytes whatever batch it comes in, as those of `search`. With the engine
        "cuda", the processor answers, among the codes that stay on the host. With "faiss", a flat index finds
        what is then scored exactly; other indexes of FAISS cannot tell that they found everything. Queries
        that may find the same codes are searched for together, as by `search`. Memory: some 40 bytes a
        result.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
        >>> indptr, similarities, ids = index.search_radius([[3.0, 4.0], [1.0, 0.0]], 0.6)
        >>> indptr.tolist(), ids.tolist()
        ([0, 3, 5], [1, 2, 0, 0, 1])
        >>> index.search_radius([[3.0, 4.0], [1.0, 0.0]], [0.9, 1.0]).ids.tolist()
        [1, 0]
        """
        asked = self._asked(queries, similarity, allowed)
        return search_radius(*asked, self._thread_count(), sort, scores64, max_results)

    def count_within(
        self, queries: ArrayLike, similarity: ArrayLike, *, allowed: ArrayLike | Groups | None = None
    ) -> NDArray[np.int64]:
        """Count the codes whose similarity to a query is at least as high as asked for.

        Parameters
        ----------
        queries, similarity, allowed
            Those of `search_radius`.

        Returns
        -------
        ndarray of shape (M,), int64
            As many as `search_radius` finds for each query, in less time and without room for them.

        Raises
        ------
        TypeError, ValueError
            As `search_radius`.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
        >>> index.count_within([[3.0, 4.0], [1.0, 0.0]], 0.6).tolist()
        [3, 2]
        """
        return count_ranges(*self._asked(queries, similarity, allowed), self._thread_count())

    def pairs_above(self, similarity: float) -> Iterator[SimilarPairs]:
        """Find all pairs of codes of at least some similarity, block by block: near-duplicates.

        Parameters
        ----------
        similarity : float
            From -1 to 1. The float64 similarity decides, and pairs of exactly this one are found.

        Returns
        -------
        iterator of SimilarPairs
            Each pair once, and no code with itself. Pairs come in the order of the position of the code that
            was added first, then of their similarity, descending, then of the other code's id. How many are
            in a block says nothing.

        Raises
        ------
        TypeError
            For what is not a real number.
        ValueError
            Outside of [-1, 1]; as `latentknn.engines.FaissRequestError` with the engine "faiss".

        Notes
        -----
        The pairs are those of the codes that the index has when this is called, whatever changes while they
        are read. Memory: a block has two million pairs at most, or those of a single code.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 0.01]])
        >>> for similarities, ids in index.pairs_above(0.99):
        ...     print(ids.tolist())
        [[0, 2], [0, 3], [2, 3]]
        """
        (threshold,) = as_thresholds(similarity, 1)
        with self._steady() as held:
            database, ids = held.database.snapshot(), held.rows.own_ids
        return pairs_above(database, ids, float(threshold), self._thread_count())

    def _asked(
        self, queries: ArrayLike, similarity: ArrayLike, allowed: ArrayLike | Groups | None
    ) -> tuple[Database, Any, NDArray[np.float64], Filter | None]:
        """Return the database, the queries, their similarities, and which codes they may find."""
        held = self._held
        rows, _ = held.database.as_queries(queries, False)
        thresholds = as_thresholds(similarity, len(rows))
        chosen = None if allowed is None else as_filter(allowed, held.rows, len(rows))
        if chosen is not None and chosen.per_query:
            rows = self._host_rows(queries, "queries")
        return held.database, rows, thresholds, chosen
