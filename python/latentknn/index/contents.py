"""What an index holds: codes with ids and labels, which are added and removed whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_rows
from latentknn.engines import EngineLike, find_engine, make_database
from latentknn.index.class_search import ClassSearch
from latentknn.index.counts import positive
from latentknn.index.labelled_rows import LabelledRows
from latentknn.locks import ForkAwareLock

_MOST_THREADS = 1024


class IndexContents:
    """Codes in the database of an engine, with ids and labels; base of `SavableIndex`."""

    def __init__(
        self,
        dim: int,
        *,
        engine: EngineLike = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> None:
        dim = positive(dim, "dim")
        if threads is not None:
            threads = positive(threads, "threads")
            if threads > _MOST_THREADS:
                raise ValueError(f"threads must be at most {_MOST_THREADS}, received {threads}")
        self._settings: dict[str, Any] = {"engine": engine, "strategy": strategy, "threads": threads}
        self._make_database = partial(make_database, engine, dim, strategy)
        self._database = self._make_database()
        self._threads = threads
        self._changes = ForkAwareLock()
        self._rows = LabelledRows()
        # The classes are set apart when a search among them is first asked for.
        self._by_class: ClassSearch | None = None

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        engine: EngineLike = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Build an index of codes; the parameters are those of the class and of `add`."""
        rows = as_rows(find_engine(engine, strategy).on_host(codes), "codes")
        index = cls(rows.shape[1], engine=engine, strategy=strategy, threads=threads)
        index.add(rows, labels=labels, ids=ids)
        return index

    def __reduce__(self) -> tuple[Any, ...]:
        """Give pickle and copy what an index is made from: a copy is an index of its own."""
        with self._changes:
            rows = self._rows
            contents = (self.codes, rows.labels, rows.own_ids, rows.next_id)
        return _restored, (type(self), self.dim, self._settings, *contents)

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._database.dim

    @property
    def codes(self) -> NDArray[np.float32]:
        """A copy of the codes, shape (n, d), float32, in order of insertion."""
        return self._database.rows()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, shape (n,), int64, in order of insertion."""
        return self._rows.ids

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, shape (n,), in order of insertion, or None."""
        labels = self._rows.labels
        return None if labels is None else labels.copy()

    @property
    def classes(self) -> NDArray[Any]:
        """The distinct labels, sorted; ValueError where the index has no labels."""
        return np.unique(self._rows.required_labels())

    def __len__(self) -> int:
        return len(self._database)

    def add(self, codes: ArrayLike, labels: ArrayLike | None = None, ids: ArrayLike | None = None) -> None:
        """Append codes, all of them or, where anything is wrong, none.

        Parameters
        ----------
        codes : array-like of shape (n, d)
            Rounded once to float32 and copied. The engine "cuda" also takes arrays that are on a device.
        labels : array-like of shape (n,), optional
            One label a code, a number or a string; needed where the index has labels already, refused where
            it has codes without. Strings are kept as NumPy's strings of fixed width.
        ids : array-like of shape (n,), integers, optional
            Distinct, and not in the index yet; by default the number of codes ever added before each.

        Raises
        ------
        TypeError
            For codes that are not real numbers, ids that are not integers, or numbers among labels that are
            strings.
        ValueError
            For NaN, infinity, a value that becomes infinite or a row that becomes zero in float32 (the
            first bad row is named), masked values, duplicate ids, missing labels, labels that no type holds
            together with those of the index, or a wrong shape.
        """
        codes = self._host_rows(codes, "codes")
        with self._changes:
            before = len(self)
            rows = self._rows.extended(len(codes), labels, ids)
            if len(codes) == 0:
                return
            new_ids = None if rows.own_ids is None else rows.own_ids[before:]
            try:
                self._database.add(codes, new_ids, self._thread_count())
            finally:
                # Ctrl-C may be raised when the codes are in already: then the rest must follow them.
                if len(self) != before:
                    self._commit(rows)
            self._database = self._database.engine.settled(
                self._database, self._rows.own_ids, self._thread_count()
            )

    def remove(self, ids: ArrayLike) -> None:
        """Remove the codes with these ids; the others keep their ids and their order.

        Parameters
        ----------
        ids : array-like of shape (n,), integers

        Raises
        ------
        ValueError
            For an id that is not in the index; nothing is removed then.
        """
        with self._changes:
            before = len(self)
            kept, rows = self._rows.without(ids)
            if kept.all():
                return
            try:
                self._database.keep(kept.view(np.uint8), self._thread_count())
            finally:
                if len(self) != before:
                    self._commit(rows)

    def _commit(self, rows: LabelledRows) -> None:
        self._rows = rows
        # What belongs to the rows of before would not be used again; this frees its memory.
        self._by_class = None

    def _fill(self, codes: NDArray[np.float32], rows: LabelledRows) -> None:
        """Add what another index held; this one is empty."""
        self.add(codes, rows.labels, rows.own_ids)
        self._rows = replace(self._rows, own_ids=rows.own_ids, next_id=rows.next_id)

    def _classes_apart(self) -> ClassSearch:
        """Return the codes of every class in a database of their own; ValueError without labels."""
        with self._changes:
            if self._by_class is None or self._by_class.rows is not self._rows:
                self._by_class = ClassSearch(
                    self.codes, self._rows, self._make_database, self._thread_count()
                )
            return self._by_class

    def _host_rows(self, values: ArrayLike, name: str) -> NDArray[Any]:
        return as_rows(self._database.engine.on_host(values), name, self.dim)

    def _thread_count(self) -> int:
        return _core.usable_processors() if self._threads is None else self._threads


def _restored(
    kind: type[IndexContents],
    dim: int,
    settings: dict[str, Any],
    codes: NDArray[np.float32],
    labels: NDArray[Any] | None,
    ids: NDArray[np.int64] | None,
    next_id: int,
) -> IndexContents:
    """Return an index of what `IndexContents.__reduce__` gave."""
    index = kind(dim, **settings)
    index._fill(codes, LabelledRows(len(codes), labels, ids, next_id))
    return index
