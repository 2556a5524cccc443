"""Changes of what an index holds: codes with ids and labels, which change whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_int64, as_rows
from latentknn.engines import Database, EngineLike, make_database
from latentknn.index.class_search import ClassSearch
from latentknn.index.counts import positive
from latentknn.index.labelled_rows import LabelledRows
from latentknn.locks import ForkAwareLock

_MOST_THREADS = 1024
Made = TypeVar("Made")
_NONE_GONE: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Held:
    """The codes of an index and what belongs to them. A search takes both at once; a change replaces both."""

    database: Database
    rows: LabelledRows


class ChangingContents:
    """Codes in the database of an engine, with ids and labels; base of `IndexContents`."""

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
        self._held = Held(self._make_database(), LabelledRows())
        self._threads = threads
        self._changes = ForkAwareLock()
        self._is_snapshot = False
        # Whether a database that changes itself may be ahead of what belongs to its rows.
        self._in_change = False
        # The classes are set apart when a search among them is first asked for.
        self._class_lock = ForkAwareLock()
        self._by_class: ClassSearch | None = None

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._held.database.dim

    def add(
        self,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        metadata: Any = None,
    ) -> None:
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
        metadata : table or mapping, optional
            Further columns, one row a code: a table of Arrow, polars or pandas, or columns by name. Needed
            where the index has metadata already, with the same columns; refused where it has codes without.

        Raises
        ------
        ImportError
            For metadata without pyarrow (``latentknn[tables]``).
        TypeError
            For codes that are not real numbers, ids that are not integers, numbers among labels that are
            strings, or metadata that Parquet cannot hold.
        ValueError
            For NaN, infinity, a value that becomes infinite or a row that becomes zero in float32 (the
            first bad row is named), masked values, duplicate ids, missing labels, labels that no type holds
            together with those of the index, metadata of other columns, or a wrong shape.
        """
        new = self._host_rows(codes, "codes")
        with self._changing() as held:
            rows = held.rows.extended(len(new), labels, ids, metadata=metadata)
            if len(new) > 0:
                self._change(_NONE_GONE, new, rows)
                self._settle()

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
        with self._changing() as held:
            gone, rows = held.rows.without(ids)
            if len(gone) > 0:
                self._change(gone, np.empty((0, self.dim), np.float32), rows)

    def update(
        self, codes: ArrayLike, ids: ArrayLike, labels: ArrayLike | None = None, *, metadata: Any = None
    ) -> None:
        """Give the codes with some ids new values, all of them or, where anything is wrong, none.

        The index is the same as after `remove` and `add`: the codes stand behind all others, in the order in
        which they are given. But it happens in one step: a search sees all old codes, or all new ones.

        Parameters
        ----------
        codes : array-like of shape (n, d)
            As `add` takes them.
        ids : array-like of shape (n,), integers
            Distinct, and in the index.
        labels : array-like of shape (n,), optional
            New labels; by default each id keeps its own.
        metadata : table or mapping, optional
            New metadata, as `add` takes them; by default each id keeps its own.

        Raises
        ------
        TypeError, ValueError
            As `add`; and for an id that is not in the index.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], ["right", "both", "up"])
        >>> index.update([[-1.0, 0.0]], ids=[0], labels=["left"])
        >>> index.ids.tolist(), index.labels.tolist()
        ([1, 2, 0], ['both', 'up', 'left'])
        """
        new = self._host_rows(codes, "codes")
        wanted = as_int64(ids, "ids", len(new))
        with self._changing() as held:
            gone, left = held.rows.without(wanted, "nothing was changed; upsert also adds codes")
            kept = held.rows.labels_of(wanted) if labels is None else labels
            columns = held.rows.metadata_of(wanted) if metadata is None else metadata
            self._replace(gone, new, left.extended(len(new), kept, wanted, came=0, metadata=columns))

    def upsert(
        self, codes: ArrayLike, ids: ArrayLike, labels: ArrayLike | None = None, *, metadata: Any = None
    ) -> None:
        """Update the codes whose ids are in the index, and add the others, in one step.

        The index is the same as after `remove` of the ids that were there, and `add` of all.

        Parameters
        ----------
        codes : array-like of shape (n, d)
            As `add` takes them.
        ids : array-like of shape (n,), integers
            Distinct.
        labels : array-like of shape (n,), optional
            One label a code; by default each id keeps its own. They are needed where an id is new to an index
            with labels.
        metadata : table or mapping, optional
            As `add` takes them; needed where labels would be.

        Raises
        ------
        TypeError, ValueError
            As `add`, except that ids may be in the index.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ids=[7, 8])
        >>> index.upsert([[1.0, 1.0], [-1.0, 0.0]], ids=[9, 7])
        >>> index.ids.tolist(), index.codes.tolist()
        ([8, 9, 7], [[0.0, 2.0], [1.0, 1.0], [-1.0, 0.0]])
        """
        new = self._host_rows(codes, "codes")
        wanted = as_int64(ids, "ids", len(new))
        with self._changing() as held:
            there = held.rows.knows(wanted)
            gone, left = held.rows.without(wanted[there])
            all_there = bool(there.all())
            kept = held.rows.labels_of(wanted) if labels is None and all_there else labels
            columns = held.rows.metadata_of(wanted) if metadata is None and all_there else metadata
            added = int(np.count_nonzero(~there))
            self._replace(gone, new, left.extended(len(new), kept, wanted, added, columns))

    def compact(self) -> None:
        """Pack all codes together, and free the memory of removed ones; the answers stay the same.

        Changes do this with parts of the codes when it pays. After many of them, it makes searches a little
        faster; it takes as long as building the index, and searches go on meanwhile.
        """
        with self._changing() as held:
            self._held = Held(held.database.compacted(self._thread_count()), held.rows.compacted())

    def snapshot(self) -> Self:
        """Return the index as it is now, which stays so: a view that shares its memory.

        All searches of a snapshot, its labels and its ids belong to one state of the index, whatever changes
        meanwhile; so a mask made from its labels fits its searches. Taking one costs next to nothing. It
        refuses changes with TypeError; ``copy.copy(snapshot)`` is an index of its own.

        Notes
        -----
        With the engines "cuda" and "faiss", a snapshot shares the codes on the host alone: its first search
        brings them to the devices, or into a FAISS index, once more.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ["right", "up"])
        >>> before = index.snapshot()
        >>> index.remove([0])
        >>> before.labels[before.search([[3.0, 1.0]], k=1).positions].tolist()
        [['right']]
        """
        with self._steady() as held:
            taken = object.__new__(type(self))
            taken.__dict__.update(self.__dict__)
            taken._held = Held(held.database.snapshot(), held.rows)
        taken._changes, taken._class_lock = ForkAwareLock(), ForkAwareLock()
        taken._in_change = False
        taken._is_snapshot = True
        return taken

    @contextmanager
    def _steady(self) -> Iterator[Held]:
        """Give codes and what belongs to them, which fit each other; waits for changes of some engines."""
        held = self._held
        if held.database.changes_itself:
            with self._changes:
                yield self._held
        else:
            yield held

    def _seen_together(self, look: Callable[[Held], Made]) -> Made:
        """Return what a function makes of codes and what belongs to them, which fit each other.

        With engines that change themselves it is called again where they changed meanwhile, or where it
        raised what a change may be the reason of, and waits for changes then.
        """
        held = self._held
        if not held.database.changes_itself:
            return look(held)
        with suppress(LookupError, ValueError):
            made = look(held)
            if self._held is held and not self._in_change:
                return made
        with self._changes:
            return look(self._held)

    @contextmanager
    def _changing(self) -> Iterator[Held]:
        """Let no other thread change the index; TypeError for a snapshot."""
        if self._is_snapshot:
            raise TypeError(
                "a snapshot does not change; change the index that it was taken from, or a copy of its own: "
                "copy.copy(snapshot)"
            )
        with self._changes:
            yield self._held

    def _change(self, gone: NDArray[np.int64], new: NDArray[Any], rows: LabelledRows) -> None:
        """Remove codes by their positions, add others, and commit what belongs to all of them."""
        held = self._held
        before = held.database.version
        self._in_change = True
        try:
            database = held.database.changed(gone, new, rows.last_ids(len(new)), self._thread_count())
        except BaseException:
            # Ctrl-C may be raised when a database has changed itself already: then the rest must follow it.
            if held.database.version is not before:
                self._held = Held(held.database, rows)
            raise
        else:
            self._held = Held(database, rows)
        finally:
            self._in_change = False
        # What belongs to the rows of before would not be used again; this frees its memory.
        self._by_class = None

    def _replace(self, gone: NDArray[np.int64], new: NDArray[Any], rows: LabelledRows) -> None:
        if len(new) > 0:
            self._change(gone, new, rows)
            self._settle()

    def _settle(self) -> None:
        held = self._held
        database = held.database.engine.settled(held.database, self._thread_count())
        if database is not held.database:
            self._held = Held(database, held.rows)

    def _host_rows(self, values: ArrayLike, name: str) -> NDArray[Any]:
        return as_rows(self._held.database.engine.on_host(values), name, self.dim)

    def _thread_count(self) -> int:
        return _core.usable_processors() if self._threads is None else self._threads
