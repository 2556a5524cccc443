"""Searches of the exact cosine index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_similarities
from latentknn.engines.database import Answer
from latentknn.index.appearance import index_html
from latentknn.index.changes import Held
from latentknn.index.class_search import queries_of_classes
from latentknn.index.counts import IN_INDEX, neighbour_count
from latentknn.index.explanation import Explanation
from latentknn.index.filters import Groups, as_filter, search_filtered
from latentknn.index.labelled_rows import LabelledRows
from latentknn.index.pieces import search_and_tell, search_self_and_tell
from latentknn.index.range_index import RangeIndex
from latentknn.index.search_result import SearchResult
from latentknn.progress import ProgressLike, Tell, progress_of

_OTHERS = "other codes in the index"


class CosineIndex(RangeIndex):
    """Exact k-nearest-neighbour search by cosine similarity, reproducible to the bit.

    The same query gets the same bytes whatever batch it comes in, on any number of threads, any
    instruction set and any screening strategy. Neighbours are ordered by similarity, descending, then by
    id, ascending. A zero vector has similarity 0 to everything.

    Parameters
    ----------
    dim : int
        Dimensions of a code.
    engine : {"auto", "cpu", "cuda", "faiss", "faiss-gpu"}, CudaEngine or FaissEngine
        What runs the searches; "auto" is "cpu", until the codes are 2^23 numbers. Then it is "cuda", if no
        strategy is named and devices answer, have room for the codes and give the same bytes for some of
        them; this is decided once, and `search_per_class` stays with the processor. What is said here about
        exactness holds for "cpu" and "cuda".
    strategy : {"auto", "fp32", "int16", "int8", "pca", "float64"}
        How rows are screened before they are scored exactly: in float32, in 16-bit integers, in 8-bit
        integers, in integers in the codes' principal subspace with an exact bound for the rest, or not at
        all. The answers are the same. "auto" begins with what is predicted to be the fastest for the codes;
        while it searches, queries for which that leaves too much go on in a finer arithmetic, and `explain`
        tells how many.
    threads : int, optional
        Threads to use; by default all the processors that this process may use.

    Raises
    ------
    ImportError, RuntimeError
        Where what the engine needs is missing; no other engine takes its place.
    ValueError
        For an unknown engine or strategy, or where the environment variable ``LATENTKNN_ISA`` names an
        instruction set that this processor lacks.

    Notes
    -----
    Safe to use from several threads: a search sees the index before a change or after it, and waits for none
    with the engine "cpu". A copy, or what pickle makes of an index in another process, is an index of its own
    with the same codes, engine, strategy and threads. Memory: the codes as float32, removed ones until they
    are a quarter of those that were packed with them or `compact` is called; one packed copy of them (half as
    large for "int16", a quarter for "int8", smaller for "pca") and some tens of MiB while a search runs;
    "auto" keeps one in 8 bits, or in 16 or 32 where 8 tell too little apart, and a smaller one of the
    principal subspace where that pays. The other engines keep the codes on the host, and what they search
    beside them: see `CudaEngine` and `FaissEngine`. While "auto" tries devices, the host holds up to three
    more copies of the codes.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], ["right", "both", "up"])
    >>> similarities, ids = index.search([[3.0, 4.0], [2.0, 0.0]], k=2)
    >>> ids.tolist()
    [[1, 2], [0, 1]]
    >>> print(similarities.round(2))
    [[0.99 0.8 ]
     [1.   0.71]]
    >>> index.remove([1])
    >>> index.labels[index.search([[3.0, 4.0]], k=1).positions].tolist()
    [['up']]
    """

    @property
    def engine(self) -> str:
        """The engine that runs the searches."""
        return self._held.database.engine.name

    @property
    def exact(self) -> bool:
        """Whether the answers keep the exactness contract."""
        return self._held.database.engine.exact

    @property
    def strategy(self) -> str:
        """The screening strategy in use; "auto" as long as there are no codes to choose it by."""
        return self._held.database.strategy

    def explain(self) -> Explanation:
        """Say how the index searches, why, and what its searches took so far.

        Returns
        -------
        Explanation
            The strategy, what it was chosen from and the rows scored exactly a query; print it to read it.
        """
        return replace(Explanation.of(self._held.database), origin=self._origin)

    @property
    def isa(self) -> str:
        """The instruction set whose kernels are in use."""
        return self._held.database.isa

    def __repr__(self) -> str:
        labels = ", labelled" if self._held.rows.labelled else ""
        return (
            f"CosineIndex({len(self)} codes of dimension {self.dim}{labels}, engine={self.engine!r}, "
            f"strategy={self.strategy!r}, isa={self.isa!r})"
        )

    def _repr_html_(self) -> str:
        return index_html(self, self._held.rows.labels)

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        allowed: ArrayLike | Groups | None = None,
        at_least: ArrayLike | None = None,
        pad: bool = False,
        scores64: bool = False,
        on_device: bool = False,
        progress: ProgressLike = False,
    ) -> SearchResult:
        """Find each query's k most cosine-similar codes.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            Rounded once to float32. The engine "cuda" reads arrays of float32 in C order where they are, on a
            device or on the host, perhaps more than once, and others by way of the host; they must not change
            meanwhile.
        k : int
            Neighbours a query, from 1 to the number of (allowed) codes.
        allowed : array-like or Groups, optional
            Which codes may be found: a boolean mask of shape (n,) in order of insertion, distinct ids of
            shape (m,), a mask for each query of shape (M, n), or `Groups`, so that a query finds codes of its
            own group alone, or of all others.
        at_least : array-like of shape (M,), optional
            Find only codes whose float64 similarity to the query is at least this; minus infinity finds any.
            Where fewer than k are, an answer ends early: similarities of minus infinity, ids and positions of
            -1. What other codes are known to reach spares a search work.
        pad : bool
            Whether an answer may end early where a query has fewer than k neighbours: similarities are NaN
            then, also where `at_least` leaves codes out, ids and positions -1.
        scores64 : bool
            Whether to return the float64 similarities too.
        on_device : bool
            Whether to return the answers in a device's memory: the queries', or else that of the engine's
            first device. For the engine "cuda".
        progress : bool or callable
            True shows a bar on the error output, if that is a terminal or a notebook. A function is called
            with the number of answered queries and of all, from (0, M) to (M, M), about every quarter of a
            second; what it raises ends the search. The answers are the same. Engines that are not exact, and
            queries or answers on a device, are told of at the beginning and the end alone.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (M, k).

        Raises
        ------
        TypeError
            For queries that are not real numbers, or on a device while the engine is not; for `allowed` that
            is neither boolean nor ids; for `at_least` that is not real numbers, or `progress` that is no
            function.
        ValueError
            For a wrong shape or k, or a query with NaN or infinity (the first bad row is named); for ids in
            `allowed` that are not in the index, or twice; for `at_least` that is NaN or above 1; for
            `on_device` without a device, with `pad`, or with an `allowed` of its own for each query.

        Notes
        -----
        The cost is that of one product of the two matrices, at most; see benchmarks/README.md. Queries that
        may find the same codes are searched for together: with masks of their own, each different mask takes
        a search, and with groups each group. A search that tells of its progress makes changes of an index
        wait whose engine is not "cpu".

        Examples
        --------
        >>> import latentknn as lk
        >>> codes = [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
        >>> index = lk.CosineIndex.from_codes(codes, labels=["a", "b", "b"], ids=[7, 8, 9])
        >>> index.search([[1.0, 0.1]], k=2, allowed=[8, 9]).ids.tolist()
        [[8, 9]]
        >>> found = index.search([[1.0, 0.1], [1.0, 0.1]], k=2, allowed=lk.Groups(["a", "b"]), pad=True)
        >>> found.ids.tolist()
        [[7, -1], [8, 9]]
        """
        if progress is False:
            return self._seen_together(
                lambda held: self._search(held, queries, k, allowed, at_least, pad, scores64, on_device)
            )
        with self._steady() as held, progress_of(progress, "search") as tell:
            return self._search(held, queries, k, allowed, at_least, pad, scores64, on_device, tell)

    def _search(
        self,
        held: Held,
        queries: ArrayLike,
        k: int,
        allowed: ArrayLike | Groups | None,
        at_least: ArrayLike | None,
        pad: bool,
        scores64: bool,
        on_device: bool,
        tell: Tell | None = None,
    ) -> SearchResult:
        database = held.database
        rows, device = database.as_queries(queries, on_device)
        chosen = as_filter(allowed, held.rows, len(rows))
        lowest = None if at_least is None else as_similarities(at_least, "at_least", len(rows))
        threads = self._thread_count()

        def search(
            some: Any,
            count: int,
            flags: NDArray[np.uint8] | None,
            reached: NDArray[np.float64] | None,
            tell: Tell | None,
        ) -> Answer:
            if tell is None:
                return database.search(some, count, flags, threads, scores64, reached)
            return search_and_tell(database, some, count, flags, threads, scores64, reached, tell)

        put_together = pad or chosen.per_query
        if put_together and on_device:
            raise ValueError(
                "answers are put together on the host with pad or an allowed of each query's own"
            )
        k = chosen.neighbours(k, pad)
        asked = self._host_rows(queries, "queries") if put_together else rows
        answer = search_filtered(search, asked, k, chosen, scores64, lowest, pad, tell)
        return _result(answer if put_together else database.placed(answer, device), held.rows)

    def search_self(
        self, k: int = 10, *, scores64: bool = False, progress: ProgressLike = False
    ) -> SearchResult:
        """Find the k nearest other codes of every code in the index.

        Parameters
        ----------
        k : int
            Neighbours a code, from 1 to the number of codes less one. A code is left out of its own
            neighbours by its position, so an equal code elsewhere is found.
        scores64 : bool
            Whether to return the float64 similarities too.
        progress : bool or callable
            Whether to show a bar, or a function to call with the number of codes whose neighbours are found
            and of all; see `search`.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (n, k), in order of insertion.

        Raises
        ------
        TypeError
            For `progress` that is no function.
        ValueError
            For a k out of range.
        """
        threads = self._thread_count()

        def look(held: Held, tell: Tell | None = None) -> SearchResult:
            count = neighbour_count(k, len(held.database) - 1, _OTHERS)
            if tell is None:
                answer = held.database.search_self(count, threads, scores64)
            else:
                answer = search_self_and_tell(held.database, count, threads, scores64, tell)
            return _result(answer, held.rows)

        if progress is False:
            return self._seen_together(look)
        with self._steady() as held, progress_of(progress, "search") as tell:
            return look(held, tell)

    def search_per_class(self, queries: ArrayLike, k: int = 1, *, scores64: bool = False) -> SearchResult:
        """Find each query's k most cosine-similar codes of every class.

        Parameters
        ----------
        queries : array-like of shape (M, d), or (C, M, d)
            Rounded once to float32. In three dimensions, what is looked for in each class, in the order of
            `classes`: a conditional model encodes a query in another way for every class.
        k : int
            Neighbours a query and class, from 1 to the number of codes of the smallest class.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (C, M, k).

        Raises
        ------
        TypeError
            For queries that are not real numbers.
        ValueError
            For an index without labels, a wrong shape or k, or a query with NaN or infinity (the first bad
            row is named).

        Notes
        -----
        The first call makes a database of every class, which takes about as long and as much memory as the
        index itself did; it is kept until the codes change.
        """
        by_class = self._classes_apart()
        queries = self._held.database.engine.on_host(queries)
        available, label = by_class.smallest()
        k = neighbour_count(k, available, f"codes of class {label!r}, the smallest")
        per_class = queries_of_classes(queries, self.dim, by_class.classes)
        return _result(by_class.search(per_class, k, self._thread_count(), scores64), by_class.rows)

    def recall(self, queries: ArrayLike, k: int = 10) -> float:
        """Return which share of the queries' exact k nearest codes a search finds; 1 for an exact engine.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            At least one.
        k : int
            Neighbours a query, from 1 to the number of codes.

        Returns
        -------
        float
            From 0 to 1. A code as similar as the exact k-th counts as found.

        Raises
        ------
        TypeError, ValueError
            As `search`, or if there are no queries.
        """
        rows = self._host_rows(queries, "queries")
        if len(rows) == 0:
            raise ValueError("received no queries to measure the recall with")
        k = neighbour_count(k, len(self), IN_INDEX)
        found = self.search(rows, k).positions
        exact = _core.Database(self.dim, "auto")
        exact.add(self.codes, None, self._thread_count())
        *_, wanted = exact.search(rows, k, None, self._thread_count(), True)
        *_, scores = exact.score(rows, found, k, self._thread_count())
        assert wanted is not None
        assert scores is not None
        return float(np.mean(scores >= wanted[:, -1:]))


def _result(answer: Answer, rows: LabelledRows) -> SearchResult:
    similarities, positions, ids, scores64 = answer
    return SearchResult(similarities, ids, positions, scores64, rows)
