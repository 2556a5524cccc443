"""What an index knows of single codes."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.arrays import as_int64
from latentknn.engines.database import NO_ROW, Database
from latentknn.index.appearance import items_html, items_text
from latentknn.index.labelled_rows import LabelledRows
from latentknn.notebook.one_line import one_line


@dataclass(frozen=True, eq=False)
class Item:
    """A code of an index, and what belongs to it; `CosineIndex` gives one for an id.

    Attributes
    ----------
    id : int
        Its id.
    position : int
        Its position in the index, in order of insertion.
    code : ndarray of shape (d,), float32
        A copy of the code.
    label : object or None
        Its label, a number or a string of Python; None where the index has no labels.
    metadata : dict or None
        Its metadata, values of Python by the name of their column; None where the index has none.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ["right", "up"], ids=[7, 8])
    >>> item = index[8]
    >>> item.label, item.code.tolist(), item.position
    ('up', [0.0, 2.0], 1)
    """

    id: int
    position: int
    code: NDArray[np.float32]
    label: Any = None
    metadata: dict[str, Any] | None = None

    __repr__ = one_line


@dataclass(frozen=True, eq=False)
class Items:
    """Some codes of an index, and what belongs to them, in columns; iterating gives each as an `Item`.

    Attributes
    ----------
    ids : ndarray of shape (n,), int64
        Their ids, in the order in which they were asked for.
    positions : ndarray of shape (n,), int64
        Their positions in the index, in order of insertion.
    codes : ndarray of shape (n, d), float32
        A copy of the codes.
    labels : ndarray of shape (n,), or None
        Their labels, where the index has any.
    metadata : pyarrow.Table of n rows, or None
        Their metadata, where the index has any.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 2.0]], ["right", "up"], ids=[7, 8])
    >>> items = index[[8, 7]]
    >>> items.labels.tolist(), items.codes.tolist()
    (['up', 'right'], [[0.0, 2.0], [1.0, 0.0]])
    >>> [item.label for item in items]
    ['up', 'right']
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    codes: NDArray[np.float32]
    labels: NDArray[Any] | None
    metadata: Any

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Item]:
        labels = [None] * len(self) if self.labels is None else self.labels.tolist()
        metadata = [None] * len(self) if self.metadata is None else self.metadata.to_pylist()
        columns = (self.ids.tolist(), self.positions.tolist(), self.codes, labels, metadata)
        return (Item(*values) for values in zip(*columns, strict=True))

    def __repr__(self) -> str:
        return f"Items({items_text(self)})"

    def _repr_html_(self) -> str:
        return items_html(self)


def items_of(database: Database, rows: LabelledRows, ids: NDArray[np.int64]) -> Items:
    """Return the codes with some ids, and what belongs to them; KeyError for an id that no code has."""
    positions = rows.positions_of(ids)
    if (positions == NO_ROW).any():
        raise KeyError(f"id {ids[positions.argmin()]} is not in the index")
    codes = np.empty((len(ids), database.dim), np.float32)
    for number, position in enumerate(positions.tolist()):
        codes[number] = database.rows(position, position + 1)[0]
    return Items(ids, positions, codes, rows.labels_of(ids), rows.metadata_of(ids))


def is_integer(value: Any) -> bool:
    """Return whether a value is one integer of any size, and no truth value."""
    if np.ndim(value) != 0 or getattr(value, "dtype", type(value)) in (bool, np.bool_):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def one_id(value: Any) -> NDArray[np.int64]:
    """Return an array of one id; KeyError for an integer beyond 64 bits, which no code has as its id."""
    number = operator.index(value)
    limits = np.iinfo(np.int64)
    if not limits.min <= number <= limits.max:
        raise KeyError(f"id {number} is not in the index")
    return np.array([number], np.int64)


def as_ids(values: Any) -> NDArray[np.int64]:
    """Return the ids of an array-like of shape (n,); TypeError or ValueError for whatever else."""
    if isinstance(values, (str, bytes, slice)) or np.ndim(values) != 1:
        raise TypeError(
            f"an index gives codes by an id or an array of ids of shape (n,), received {values!r}"
        )
    return as_int64(values, "ids", np.size(values))
