"""An index over all rows of several shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_rows, as_similarities, distinct
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.engines.database import Answer
from latentknn.files.metadata_column import joined_metadata
from latentknn.index import SearchResult
from latentknn.index.counts import neighbour_count
from latentknn.index.explanation import Explanation
from latentknn.index.filters import Groups, as_filter, search_filtered
from latentknn.labels import join_labels
from latentknn.notebook.tables import facts_table, together
from latentknn.shards.asking import Asking
from latentknn.shards.class_rounds import ask_per_class
from latentknn.shards.homes import Homes
from latentknn.shards.known_rows import RowsOfShards
from latentknn.shards.merging import without_themselves
from latentknn.shards.range_shards import RangeShards
from latentknn.shards.rounds import Part, ask_in_rounds
from latentknn.shards.shard import IndexShard, Searchable, Shard


class ShardedIndex(RangeShards):
    """Several indexes that answer as one: the same bytes as a `CosineIndex` of all their codes.

    Codes are numbered through: the position of a code is its position in its shard, behind all codes of the
    shards before.

    Parameters
    ----------
    indexes : sequence of CosineIndex, at least one
        The shards, or anything with the methods of `Searchable`. They may be of any size, empty too, and must
        not change while this index is used; a search that finds one of another size raises RuntimeError. If
        every shard's ids are its positions, ids here are positions; otherwise ids are those of the shards.

    Raises
    ------
    TypeError
        For an index instead of a sequence of them.
    ValueError
        For no shards, different dimensions, an engine that is not exact, an id that occurs twice, labels in
        some shards and not in others, or labels that no type holds together.

    Notes
    -----
    Where the core holds all shards (engine "cpu"), it searches them together: what one has found spares the
    others work, and no memory is needed beside that of the shards. The largest number of threads among the
    shards' is used. Else each query's likeliest shard is asked first, and the others only for what is at
    least as similar as the k-th so far; where one may have more, it is asked again. Memory: that of the
    shards, and 256 codes of each; for the first search, a copy of one shard's codes at a time.

    Examples
    --------
    >>> import latentknn as lk
    >>> codes = [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [2.0, 2.0]]
    >>> shards = [lk.CosineIndex.from_codes(codes[:1]), lk.CosineIndex.from_codes(codes[1:])]
    >>> index = lk.shards.ShardedIndex(shards)
    >>> index.search([[3.0, 4.0]], k=3).ids.tolist()
    [[1, 3, 2]]
    """

    _all_stay = True

    def __init__(self, indexes: Sequence[Searchable]) -> None:
        if not isinstance(indexes, Sequence):
            raise TypeError(f"shards must be a list of indexes, received a {type(indexes).__name__}")
        if len(indexes) == 0:
            raise ValueError("received no shards; an index of no codes needs an empty shard")
        for number, index in enumerate(indexes):
            if index.dim != indexes[0].dim:
                raise ValueError(
                    f"shards must have the same dimension, received {indexes[0].dim} in shard 0 and "
                    f"{index.dim} in shard {number}"
                )
            if not index.exact:
                raise ValueError(
                    f"shard {number} has an engine that is not exact, and only exact answers are merged to "
                    "those of one index; use engine='cpu' or 'cuda'"
                )
        shards = [IndexShard(index, number) for number, index in enumerate(indexes)]
        numbered = all(np.array_equal(index.ids, np.arange(len(index))) for index in indexes)
        self._set_shards(shards, indexes[0].dim, numbered)
        if not numbered:
            _check_distinct(self.ids)
        # Labels that cannot be joined are refused at once.
        _ = self._labels

    def _set_shards(self, shards: Sequence[Shard], dim: int, numbered: bool) -> None:
        """Set what answers, and whether ids are positions."""
        self._numbered = numbered
        self._shards = shards
        self._joined: CpuDatabase | None = None
        self._dim = dim
        self._firsts = np.cumsum([0, *map(len, shards)])

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._dim

    @property
    def exact(self) -> bool:
        """Whether the answers keep the exactness contract: they do."""
        return True

    @property
    def codes(self) -> NDArray[np.float32]:
        """A copy of all codes, shape (n, d), float32, in order of position."""
        return np.concatenate([np.empty((0, self.dim), np.float32), *(each.codes() for each in self._shards)])

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, shape (n,), int64, in order of position."""
        if self._numbered:
            return np.arange(len(self), dtype=np.int64)
        return np.concatenate(list(self._ids_of_shards()))

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, shape (n,), in order of position, or None."""
        return None if self._labels is None else self._labels.copy()

    @property
    def metadata(self) -> Any:
        """A `pyarrow.Table` of the metadata, in order of position, or None; shards on the disk are read."""
        return joined_metadata([shard.metadata() for shard in self._shards if len(shard) > 0])

    @property
    def classes(self) -> NDArray[Any]:
        """The distinct labels, sorted; ValueError where the index has no labels."""
        return distinct(self._required_labels())

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} codes of dimension {self.dim} in {len(self._shards)} shards)"
        )

    def _repr_html_(self) -> str:
        facts = {"codes": f"{len(self):,}", "dimensions": f"{self.dim:,}", "shards": f"{len(self._shards):,}"}
        return together(facts_table(type(self).__name__, facts))

    def explain(self) -> Explanation:
        """Say how the shards are searched, why, and what their searches together took so far.

        Returns
        -------
        Explanation
            As `CosineIndex.explain` gives, of all shards: strategy, arithmetic and what was considered are
            those of the largest. Searches of a shard by itself, and those of single classes, are not counted.

        Raises
        ------
        RuntimeError
            Where the core does not hold all shards: with engine "cuda", or on the disk. Ask each shard then.

        Examples
        --------
        >>> import latentknn as lk
        >>> shards = [lk.CosineIndex.from_codes([[1.0, 0.0]] * rows, engine="cpu") for rows in (2, 3)]
        >>> lk.shards.ShardedIndex(shards).explain().rows
        5
        """
        core = self._core_rows()
        if core is None:
            raise RuntimeError(
                "the shards are searched one by one, not together in this process; ask each index of theirs "
                "for its explain()"
            )
        return Explanation.of(core[0])

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        allowed: ArrayLike | Groups | None = None,
        at_least: ArrayLike | None = None,
        pad: bool = False,
        scores64: bool = False,
    ) -> SearchResult:
        """Find each query's k most cosine-similar codes, as `CosineIndex.search` does.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            Rounded once to float32.
        k : int
            Neighbours a query, from 1 to the number of (allowed) codes, of all shards together.
        allowed, at_least, pad
            As `CosineIndex.search` takes them; codes, labels and ids are those of all shards. On the disk,
            each different mask of a query's own, and each group, reads the shards once.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (M, k).

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.search`.
        RuntimeError
            Where the size of a shard has changed.
        """
        rows = as_rows(queries, "queries", self.dim)
        self._core_rows()  # raises where a shard has changed, whatever may be found
        known = RowsOfShards(len(self), self._required_labels, self._ids_of_shards, self._numbered)
        chosen = as_filter(allowed, known, len(rows))
        lowest = None if at_least is None else as_similarities(at_least, "at_least", len(rows))
        count = chosen.neighbours(k, pad)

        def search(
            some: NDArray[Any],
            found: int,
            flags: NDArray[np.uint8] | None,
            reached: NDArray[np.float64] | None,
            _: object,
        ) -> Answer:
            return self._search(some, found, flags, reached, scores64)

        return _result(search_filtered(search, rows, count, chosen, scores64, lowest, pad, None))

    def search_self(self, k: int = 10, *, scores64: bool = False) -> SearchResult:
        """Find the k nearest other codes of every code, as `CosineIndex.search_self` does.

        Parameters
        ----------
        k : int
            Neighbours a code, from 1 to the number of codes less one.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (n, k), in order of position.

        Raises
        ------
        ValueError
            For a k out of range.
        RuntimeError
            Where the size of a shard has changed.
        """
        k = neighbour_count(k, len(self) - 1, "other codes in the index")
        core = self._core_rows()
        if core is not None:
            database, threads = core
            return _result(database.search_self(k, threads, scores64))
        # A code is among its own best k + 1, or all of those are others of the same similarity.
        askings = [Asking.of_codes(shard, i, k + 1) for i, shard in enumerate(self._shards)]
        with self._turn():
            self._ask(self._parts(None), askings, k + 1)
        found = [asking.found(scores64) for asking in askings]
        return without_themselves(found)

    def search_per_class(self, queries: ArrayLike, k: int = 1, *, scores64: bool = False) -> SearchResult:
        """Find each query's k most cosine-similar codes of every class, as `CosineIndex.search_per_class`.

        Parameters
        ----------
        queries : array-like of shape (M, d), or (C, M, d)
            Rounded once to float32. In three dimensions, what is looked for in each class, in the order of
            `classes`.
        k : int
            Neighbours a query and class, from 1 to the number of codes of the smallest class, of all shards
            together.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (C, M, k).

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.search_per_class`.
        RuntimeError
            Where the size of a shard has changed.

        Notes
        -----
        The first call sets the classes of every shard apart, which takes about as long and as much memory as
        the shards themselves did.
        """
        classes, counts = np.unique(self._required_labels(), return_counts=True)
        smallest = int(counts.argmin())
        k = neighbour_count(
            k, int(counts[smallest]), f"codes of class {classes.tolist()[smallest]!r}, the smallest"
        )
        with self._turn():
            return ask_per_class(self._parts(None), classes, queries, self.dim, k, scores64)

    def _core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return all rows, and a number of threads, where the core holds all of them; else None."""
        if not self._all_stay or not self._shards:
            return None
        held = [shard.core_rows() for shard in self._shards]
        given = [each for each in held if each is not None]
        if len(given) < len(held):
            return None
        if self._joined is None:
            self._joined = CpuDatabase.made_of([database for database, _ in given], self._numbered)
        return self._joined, max(threads for _, threads in given)

    def _search(
        self,
        queries: NDArray[Any],
        k: int,
        flags: NDArray[np.uint8] | None,
        at_least: NDArray[np.float64] | None,
        scores64: bool,
    ) -> Answer:
        """Find the k best rows of all shards among those that have a flag."""
        core = self._core_rows()
        if core is not None:
            database, threads = core
            return database.search(queries, k, flags, threads, scores64, at_least)
        asking = Asking.of_queries(_core.round_rows(queries, "queries"), k, at_least)
        with self._turn():
            self._ask(self._parts(flags), [asking], k)
        return asking.answer(scores64)

    def _parts(self, flags: NDArray[np.uint8] | None) -> list[Part]:
        """Return the shards with rows that may be found."""
        parts = []
        for number, shard in enumerate(self._shards):
            first = int(self._firsts[number])
            allowed = None if flags is None else flags[first : first + len(shard)].view(np.bool_)
            available = len(shard) if allowed is None else int(np.count_nonzero(allowed))
            if available > 0:
                parts.append(Part(shard, number, first, self._numbered, allowed, available))
        return parts

    def _ask(self, parts: Sequence[Part], askings: Sequence[Asking], k: int) -> None:
        """Ask the shards in the order and in the way that suits them."""
        ask_in_rounds(parts, askings, k, self._homes)

    def _turn(self) -> AbstractContextManager[None]:
        """Give leave to search, for the time of a block."""
        return nullcontext()

    def _ids_of_shards(self) -> Iterator[NDArray[np.int64]]:
        for shard in self._shards:
            ids = shard.ids()
            assert ids is not None
            yield ids

    def _required_labels(self) -> NDArray[Any]:
        if self._labels is None:
            raise ValueError("the index has no labels; make its shards with labels=")
        return self._labels

    @cached_property
    def _labels(self) -> NDArray[Any] | None:
        labels = [shard.labels() for shard in self._shards if len(shard) > 0]
        given = [each for each in labels if each is not None]
        if not given:
            return None
        if len(given) < len(labels):
            raise ValueError("some shards have labels and some have none; give labels to all, or to none")
        # Joining many parts pair by pair would copy the first of them as often.
        same = len({each.dtype for each in given}) == 1
        return np.concatenate(given) if same else reduce(join_labels, given)

    @cached_property
    def _homes(self) -> Homes:
        return Homes(shard.codes() for shard in self._shards)


def _result(answer: Answer) -> SearchResult:
    similarities, positions, ids, scores64 = answer
    return SearchResult(similarities, ids, positions, scores64)


def _check_distinct(ids: NDArray[np.int64]) -> None:
    distinct, counts = np.unique(ids, return_counts=True)
    if len(distinct) < len(ids):
        raise ValueError(f"id {distinct[counts > 1][0]} occurs twice; ids of all shards must be distinct")
