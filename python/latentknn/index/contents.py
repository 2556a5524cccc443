"""What an index holds, and how it is built and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows, distinct
from latentknn.engines import EngineLike, find_engine
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.files.metadata_column import rows_with
from latentknn.index.changes import ChangingContents, Held
from latentknn.index.class_search import ClassSearch
from latentknn.index.items import Item, Items, as_ids, is_integer, items_of, one_id
from latentknn.index.labelled_rows import LabelledRows

Default = TypeVar("Default")


class IndexContents(ChangingContents):
    """What an index holds, and how it is built and copied; base of `SavableIndex`."""

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        metadata: Any = None,
        engine: EngineLike = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Build an index of codes; the parameters are those of the class and of `add`."""
        rows = as_rows(find_engine(engine, strategy).on_host(codes), "codes")
        index = cls(rows.shape[1], engine=engine, strategy=strategy, threads=threads)
        index.add(rows, labels=labels, ids=ids, metadata=metadata)
        return index

    def __reduce__(self) -> tuple[Any, ...]:
        """Give pickle and copy what an index is made from: a copy is an index of its own."""
        with self._steady() as held:
            rows = held.rows
            contents = (held.database.rows(), rows.labels, rows.own_ids, rows.next_id, rows.metadata)
        return _restored, (type(self), self.dim, self._settings, *contents)

    @property
    def codes(self) -> NDArray[np.float32]:
        """A copy of the codes, shape (n, d), float32, in order of insertion."""
        return self._held.database.rows()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, shape (n,), int64, in order of insertion."""
        return self._held.rows.ids

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, shape (n,), in order of insertion, or None."""
        labels = self._held.rows.labels
        return None if labels is None else labels.copy()

    @property
    def metadata(self) -> Any:
        """A `pyarrow.Table` of the metadata, in order of insertion, or None; made anew after a removal.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes(
        ...     [[1.0, 0.0], [0.0, 2.0]], metadata={"file": ["a.png", "b.png"], "year": [2019, 2024]}
        ... )
        >>> found = index.search([[1.0, 3.0]], k=2)
        >>> index.metadata.take(found.positions[0])["file"].to_pylist()
        ['b.png', 'a.png']
        """
        return self._held.rows.metadata

    def ids_of(self, column: str, values: Any) -> NDArray[np.int64]:
        """Return the ids of the codes that have some values in a column of the metadata, each in one code.

        So codes are found by names of others: paths, or keys of a database.

        Parameters
        ----------
        column : str
            Name of the column.
        values : array-like of shape (m,)
            Values of the column's type, such as strings.

        Returns
        -------
        ndarray of shape (m,), int64
            An id for each value, in their order.

        Raises
        ------
        KeyError
            For a column that there is not, or a value that no code has; a value that is missing is none.
        TypeError
            For values of another type than the column's.
        ValueError
            For a value that several codes have, or an index without metadata.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes(
        ...     [[1.0, 0.0], [0.0, 2.0]], ids=[7, 8], metadata={"file": ["a.png", "b.png"]}
        ... )
        >>> index.remove(index.ids_of("file", ["a.png"]))
        >>> list(index)
        [8]
        """
        rows = self._held.rows
        table = rows.metadata
        if table is None:
            raise ValueError("the index has no metadata; pass metadata= with the codes")
        return rows.ids[rows_with(table, column, values)]

    @property
    def classes(self) -> NDArray[Any]:
        """The distinct labels, sorted; ValueError where the index has no labels."""
        return distinct(self._held.rows.required_labels())

    def __len__(self) -> int:
        return len(self._held.database)

    def __iter__(self) -> Iterator[int]:
        return iter(self._held.rows.ids.tolist())

    def __contains__(self, id: object) -> bool:  # noqa: A002 -- it is an id
        try:
            return is_integer(id) and bool(self._held.rows.knows(one_id(id))[0])
        except KeyError:
            return False

    @overload
    def __getitem__(self, ids: int | np.integer[Any]) -> Item: ...

    @overload
    def __getitem__(self, ids: list[int] | NDArray[Any]) -> Items: ...

    def __getitem__(self, ids: Any) -> Item | Items:
        """Return the code with an id and what belongs to it, or the codes with an array of ids.

        Parameters
        ----------
        ids : int, or array-like of shape (n,), integers
            One id gives an `Item`, an array of them, which may name a code twice, gives `Items`.

        Raises
        ------
        KeyError
            For an id that is not in the index; use `get` or ``in`` where it may be missing.
        TypeError, ValueError
            For what are no ids.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ["right", "up"], ids=[7, 8])
        >>> index[7].label, 9 in index, list(index)
        ('right', False, [7, 8])
        >>> index[[8, 7]].codes.tolist()
        [[0.0, 2.0], [1.0, 0.0]]
        """
        single = is_integer(ids)
        wanted = one_id(ids) if single else as_ids(ids)
        found = self._seen_together(lambda held: items_of(held.database, held.rows, wanted))
        return next(iter(found)) if single else found

    def get(self, id: int, default: Default | None = None) -> Item | Default | None:  # noqa: A002 -- it is an id
        """Return the code with an id and what belongs to it, or a default where there is none.

        Parameters
        ----------
        id : int
        default : object
            What is returned for an id that is not in the index.

        Returns
        -------
        Item or `default`

        Raises
        ------
        TypeError
            For what is no integer.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ids=[7, 8])
        >>> index.get(8).code.tolist(), index.get(9)
        ([0.0, 2.0], None)
        """
        if not is_integer(id):
            raise TypeError(
                f"get takes one id, an integer, received {id!r}; index[ids] takes an array of ids"
            )
        try:
            return self[id]
        except KeyError:
            return default

    def _fill(self, codes: NDArray[np.float32], rows: LabelledRows) -> None:
        """Add what another index held; this one is empty."""
        self.add(codes, rows.labels, rows.own_ids, metadata=rows.metadata)
        held = self._held
        self._held = Held(held.database, held.rows.going_on(rows.next_id, rows.own_ids))

    def _read(self, count: int, own_ids: bool, read: Callable[[NDArray[np.float32]], LabelledRows]) -> None:
        """Add codes that a function writes to memory of the engine's; this index is empty.

        Parameters
        ----------
        count : int
            Number of the codes.
        own_ids : bool
            Whether codes have ids of their own.
        read : callable
            Fills an array of shape (count, dim), float32, which it does not keep, and returns what belongs to
            the codes.
        """
        ids = np.empty(count, np.int64) if own_ids else None
        found: list[LabelledRows] = []

        def write(codes: NDArray[np.float32]) -> None:
            rows = read(codes)
            # Ids that occur twice, and labels that no index has, are refused before the codes are packed.
            checked = LabelledRows().extended(count, rows.labels, rows.own_ids, metadata=rows.metadata)
            found.append(checked.going_on(rows.next_id, rows.own_ids))
            if ids is not None and rows.own_ids is not None:
                ids[:] = rows.own_ids

        with self._changing() as held:
            if count == 0:
                write(np.empty((0, self.dim), np.float32))
                self._held = Held(held.database, found[0])
                return
            database = held.database.filled(count, write, ids, self._thread_count())
            self._held = Held(database, found[0])
            self._settle()

    def _classes_apart(self) -> ClassSearch:
        """Return the codes of every class in a database of their own; ValueError without labels."""
        with self._class_lock:
            by_class = self._by_class
            if by_class is None or by_class.rows is not self._held.rows:
                with self._steady() as held:
                    codes, rows = held.database.rows(), held.rows
                by_class = ClassSearch(codes, rows, self._make_database, self._thread_count())
                self._by_class = by_class
            return by_class


def core_rows(index: object) -> tuple[CpuDatabase, int] | None:
    """Return the rows of an index, and its number of threads, where the core searches; else None."""
    if not isinstance(index, IndexContents):
        return None
    database = index._held.database
    return (database, index._thread_count()) if isinstance(database, CpuDatabase) else None


def _restored(
    kind: type[IndexContents],
    dim: int,
    settings: dict[str, Any],
    codes: NDArray[np.float32],
    labels: NDArray[Any] | None,
    ids: NDArray[np.int64] | None,
    next_id: int,
    metadata: Any = None,
) -> IndexContents:
    """Return an index of what `IndexContents.__reduce__` gave."""
    index = kind(dim, **settings)
    index._fill(codes, LabelledRows(len(codes), labels, ids, next_id, metadata))
    return index
