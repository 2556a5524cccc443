"""Which codes a search may find: the same for all queries, or others for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.array_likes import as_array
from latentknn.arrays import as_int64
from latentknn.engines.database import NO_ROW, Answer
from latentknn.index.counts import IN_INDEX, neighbour_count, positive
from latentknn.labels import as_labels, join_labels
from latentknn.notebook.one_line import one_line
from latentknn.progress import Tell

SearchAmong = Callable[[Any, int, NDArray[np.uint8] | None, NDArray[np.float64] | None, Tell | None], Answer]
"""Finds the k best codes of some queries among those with a flag, and tells how many queries are answered."""


class KnownRows(Protocol):
    """What filters ask of an index's codes, wherever these are."""

    @property
    def count(self) -> int:
        """Number of codes."""

    def required_labels(self) -> NDArray[Any]:
        """Return the labels, in order of position; ValueError where there are none."""

    def positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the codes with some ids, or `NO_ROW`."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Lets each query find the codes of its own group alone, or of all other groups.

    Parameters
    ----------
    queries : array-like of shape (M,)
        The group of each query, a number or a string. One that no code has is a group without codes.
    rows : array-like of shape (n,), optional
        The group of each code, in order of insertion; by default its label.
    others : bool
        Whether a query finds the codes of all groups but its own: so a group is left out of the evaluation
        of its own members.

    Examples
    --------
    >>> import latentknn as lk
    >>> codes, persons = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], ["ada", "ada", "bob"]
    >>> index = lk.CosineIndex.from_codes(codes)
    >>> index.search(codes, k=1, allowed=lk.Groups(persons, rows=persons, others=True)).ids.tolist()
    [[2], [2], [1]]
    """

    queries: ArrayLike
    rows: ArrayLike | None = None
    others: bool = False

    __repr__ = one_line


@dataclass(frozen=True, eq=False)
class Selection:
    """Queries that may find the same codes.

    Parameters
    ----------
    queries : ndarray of shape (m,), intp
        Their numbers.
    flags : ndarray of shape (n,), uint8, or None
        Which codes they may find; None for all.
    available : int
        How many these are.
    """

    queries: NDArray[np.intp]
    flags: NDArray[np.uint8] | None
    available: int


class Filter(ABC):
    """Which codes the queries of a search may find."""

    per_query = True
    """Whether queries may find different codes."""

    flags: NDArray[np.uint8] | None = None
    """Which codes all queries may find, where these are the same."""

    @abstractmethod
    def fewest(self) -> tuple[int, str]:
        """Return how many codes the query with the fewest may find, and in words what they are."""

    @abstractmethod
    def selections(self) -> Iterator[Selection]:
        """Give each query once, together with all that may find the same codes."""

    def neighbours(self, k: int, pad: bool) -> int:
        """Return how many neighbours each query has, or raise TypeError or ValueError."""
        return positive(k, "k") if pad else neighbour_count(k, *self.fewest())


class CommonFilter(Filter):
    """Lets all queries find the same codes.

    Parameters
    ----------
    query_count : int
    available : int
        How many codes they may find.
    flags : ndarray of shape (n,), uint8, or None
        Which codes these are; None where whoever searches knows.
    of_what : str
        In words, what they are.
    """

    per_query = False

    def __init__(
        self,
        query_count: int,
        available: int,
        flags: NDArray[np.uint8] | None = None,
        of_what: str = "allowed codes",
    ) -> None:
        self.flags = flags
        self._available = available
        self._query_count = query_count
        self._of_what = of_what

    def fewest(self) -> tuple[int, str]:
        """Return how many codes every query may find."""
        return self._available, self._of_what

    def selections(self) -> Iterator[Selection]:
        """Give all queries together."""
        yield Selection(np.arange(self._query_count), self.flags, self._available)


class _PerQuery(Filter):
    """Base of filters under which queries belong to kinds; those of one kind may find the same codes.

    Parameters
    ----------
    kinds : ndarray of shape (M,), intp
        The kind of each query.
    available : ndarray of integers, shape (number of kinds,)
        How many codes queries of each kind may find.
    row_count : int
    """

    def __init__(self, kinds: NDArray[np.intp], available: NDArray[np.integer[Any]], row_count: int) -> None:
        self._kinds = kinds
        self._available = available
        self._row_count = row_count

    def fewest(self) -> tuple[int, str]:
        if len(self._kinds) == 0:
            return self._row_count, "codes in the index"
        of_queries = self._available[self._kinds]
        query = int(of_queries.argmin())
        return int(of_queries[query]), f"codes allowed to query {query} (pad=True fills up what is missing)"

    def selections(self) -> Iterator[Selection]:
        in_order = np.argsort(self._kinds, kind="stable")
        ends = np.cumsum(np.bincount(self._kinds, minlength=len(self._available)))
        for kind, queries in enumerate(np.split(in_order, ends[:-1])):
            if len(queries) > 0:
                yield Selection(queries, self._flags_of(kind), int(self._available[kind]))

    @abstractmethod
    def _flags_of(self, kind: int) -> NDArray[np.uint8]:
        """Return which codes queries of a kind may find."""


class _Masks(_PerQuery):
    """A mask of each query's own; they are kept as bits."""

    def __init__(self, masks: NDArray[np.bool_]) -> None:
        by_bits: dict[bytes, int] = {}
        bits = [each.tobytes() for each in np.packbits(masks, axis=1)]
        kinds = np.array([by_bits.setdefault(each, len(by_bits)) for each in bits], np.intp)
        self._bits = list(by_bits)
        available = np.zeros(len(by_bits), np.intp)
        available[kinds] = np.count_nonzero(masks, axis=1)
        super().__init__(kinds, available, masks.shape[1])

    def _flags_of(self, kind: int) -> NDArray[np.uint8]:
        return np.unpackbits(np.frombuffer(self._bits[kind], np.uint8), count=self._row_count)


class _OfGroups(_PerQuery):
    """Codes of each query's group, or of all others."""

    def __init__(self, of_queries: NDArray[Any], of_rows: NDArray[Any], others: bool) -> None:
        if of_queries.size > 0 and of_rows.size > 0:
            try:
                of_rows, of_queries = np.split(join_labels(of_rows, of_queries), [len(of_rows)])
            except ValueError:
                raise ValueError(
                    f"groups of the codes, of dtype {of_rows.dtype}, and of the queries, of dtype "
                    f"{of_queries.dtype}, are numbers and strings, or numbers that no type holds together"
                ) from None
        groups, kinds = np.unique(of_queries, return_inverse=True)
        # The number of each code's group, or -1 where no query belongs to it.
        self._groups = np.full(len(of_rows), -1, np.intp)
        if len(groups) > 0 and len(of_rows) > 0:
            numbers = np.minimum(np.searchsorted(groups, of_rows), len(groups) - 1)
            self._groups = np.where(groups[numbers] == of_rows, numbers, -1)
        self._others = others
        own = np.bincount(self._groups[self._groups >= 0], minlength=len(groups))
        super().__init__(kinds, len(of_rows) - own if others else own, len(of_rows))

    def _flags_of(self, kind: int) -> NDArray[np.uint8]:
        flags: NDArray[np.uint8] = np.not_equal(self._groups == kind, self._others).astype(np.uint8)
        return flags


def as_filter(allowed: ArrayLike | Groups | None, rows: KnownRows, query_count: int) -> Filter:
    """Return what users pass as `allowed` of a search, checked.

    Parameters
    ----------
    allowed : array-like or Groups, or None
        See `CosineIndex.search`.
    rows : KnownRows
        Those of the index.
    query_count : int

    Raises
    ------
    TypeError, ValueError
        As `CosineIndex.search`, for `allowed`.
    """
    count = rows.count
    if allowed is None:
        return CommonFilter(query_count, count, of_what=IN_INDEX)
    if isinstance(allowed, Groups):
        of_rows = rows.required_labels() if allowed.rows is None else _groups(allowed.rows, count, "code")
        return _OfGroups(_groups(allowed.queries, query_count, "query"), of_rows, allowed.others)
    array = as_array(allowed, "allowed")
    if array.dtype == np.bool_ and array.ndim == 2:
        if array.shape != (query_count, count):
            raise ValueError(
                f"allowed must have shape ({query_count}, {count}), a flag for each query and code, received "
                f"shape {array.shape}"
            )
        return _Masks(array)
    if array.dtype == np.bool_:
        if array.shape != (count,):
            raise ValueError(
                f"allowed must have shape ({count},), one flag a row, received shape {array.shape}"
            )
        # Other threads cannot change this copy during a search.
        return filter_of_flags(array.astype(np.uint8), query_count)
    if array.shape != (0,) and (array.ndim != 1 or array.dtype.kind not in "iu"):
        raise TypeError(
            f"allowed must be a boolean mask, ids of shape (m,), or Groups, received dtype {array.dtype} and "
            f"shape {array.shape}"
        )
    return filter_of_flags(_flags_of_ids(array, rows), query_count)


def search_filtered(
    search: SearchAmong,
    queries: Any,
    k: int,
    chosen: Filter,
    scores64: bool,
    at_least: NDArray[np.float64] | None,
    pad: bool,
    tell: Tell | None,
) -> Answer:
    """Find each query's k best rows of those that it may find; where there are fewer, the answer ends early.

    Queries that may find the same rows are searched for together. With `pad`, similarities of neighbours that
    there are not are NaN. Where all may find the same rows, and nothing is filled up, the answer is that of
    one search of the queries as they are.
    """
    if not pad and not chosen.per_query:
        return search(queries, k, chosen.flags, at_least, tell)
    # A part of the queries would name one that is not finite by its place in the part.
    rounded = _core.round_rows(queries, "queries")
    shape = (len(rounded), k)
    similarities, scores = np.full(shape, np.nan, np.float32), np.full(shape, np.nan) if scores64 else None
    positions, ids = np.full(shape, NO_ROW, np.int64), np.full(shape, NO_ROW, np.int64)
    done, told = 0, -1

    def say_after(before: int, answered: int, _: int) -> None:
        nonlocal told
        if tell is not None and before + answered > told:
            told = before + answered
            tell(told, len(rounded))

    say_after(0, 0, 0)
    for selection in chosen.selections():
        found = min(k, selection.available)
        if found > 0:
            lowest = None if at_least is None else at_least[selection.queries]
            say = None if tell is None else partial(say_after, done)
            answer = search(rounded[selection.queries], found, selection.flags, lowest, say)
            for whole, part in zip((similarities, positions, ids, scores), answer, strict=True):
                if whole is not None and part is not None:
                    whole[selection.queries, :found] = part
        done += len(selection.queries)
        say_after(done, 0, 0)
    if pad and at_least is not None:
        similarities[positions == NO_ROW] = np.nan
        if scores is not None:
            scores[positions == NO_ROW] = np.nan
    return similarities, positions, ids, scores


def _groups(values: ArrayLike, count: int, of_what: str) -> NDArray[Any]:
    array = as_array(values, "groups")
    if array.shape != (count,):
        raise ValueError(f"groups must have shape ({count},), one a {of_what}, received shape {array.shape}")
    return as_labels(values, count)


def filter_of_flags(flags: NDArray[np.uint8], query_count: int) -> CommonFilter:
    """Return the filter that lets all queries find the codes with a flag, of shape (n,)."""
    return CommonFilter(query_count, int(np.count_nonzero(flags)), flags)


def _flags_of_ids(ids: NDArray[Any], rows: KnownRows) -> NDArray[np.uint8]:
    wanted = as_int64(ids, "allowed", len(ids))
    ordered = np.sort(wanted)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice) > 0:
        raise ValueError(f"id {twice[0]} occurs twice in allowed; a mask of the codes must be boolean")
    positions = rows.positions_of(wanted)
    if (positions == NO_ROW).any():
        raise ValueError(f"id {wanted[positions.argmin()]} in allowed is not in the index")
    flags = np.zeros(rows.count, np.uint8)
    flags[positions] = 1
    return flags
