"""The codes and labels of an evaluation: what is searched, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_rows
from latentknn.classification.neighbours import Neighbours
from latentknn.engines import EngineLike
from latentknn.index import CosineIndex
from latentknn.labels import as_labels, join_labels
from latentknn.progress import ProgressLike, part_of

_NEIGHBOURS_AT_ONCE = 1 << 21
"""Neighbours that are in memory at a time: about 60 MiB, however many a measure needs of every item."""


@dataclass(frozen=True, eq=False)
class EvaluatedCodes:
    """Items with classes, and the index that they are searched for in.

    Attributes
    ----------
    index : CosineIndex
        The codes that are searched.
    database_classes : ndarray of shape (n,), int64
        The class of each of these codes, in [0, C).
    items : ndarray of shape (M, d), float32
        The codes that are searched for.
    item_classes : ndarray of shape (M,), int64
        The class of each item, in [0, C).
    class_names : tuple of str
        Names of the C classes.
    leave_one_out : bool
        Whether the items are the codes of the index; then no item is a neighbour of its own.
    """

    index: CosineIndex
    database_classes: NDArray[np.int64]
    items: NDArray[np.float32]
    item_classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    leave_one_out: bool

    @classmethod
    def of(
        cls,
        codes: ArrayLike,
        labels: ArrayLike,
        test: tuple[ArrayLike, ArrayLike] | None,
        engine: EngineLike,
        threads: int | None,
    ) -> EvaluatedCodes:
        """Check codes and labels and build the index; see `latentknn.evaluation.evaluate`."""
        index = CosineIndex.from_codes(codes, engine=engine, threads=threads)
        database_labels = _as_classes(labels, len(index))
        smallest = 2 if test is None else 1
        if len(index) < smallest:
            left_out = ", as every code is left out once" if test is None else ""
            raise ValueError(f"received {len(index)} codes, expected at least {smallest}{left_out}")
        if test is None:
            names, classes = np.unique(database_labels, return_inverse=True)
            return cls(index, classes, index.codes, classes, _as_text(names), leave_one_out=True)
        if not isinstance(test, (tuple, list)) or len(test) != 2:
            raise TypeError(f"test must be a pair of codes and labels, received a {type(test).__name__}")
        items = _rounded(as_rows(test[0], "test codes", index.dim))
        if len(items) == 0:
            raise ValueError("received no test items")
        item_labels = _as_classes(test[1], len(items))
        # Labels of one kind cannot be compared with those of another, which join_labels tells.
        try:
            both = join_labels(database_labels, item_labels)
        except ValueError as error:
            raise ValueError(
                f"labels of the codes and of the test items must be of one kind: {error}"
            ) from error
        names, classes = np.unique(both, return_inverse=True)
        n = len(index)
        return cls(index, classes[:n], items, classes[n:], _as_text(names), leave_one_out=False)

    @property
    def searchable(self) -> int:
        """Number of codes among which the neighbours of an item are."""
        return len(self.index) - self.leave_one_out

    @property
    def class_sizes(self) -> NDArray[np.int64]:
        """Codes of each class in the index, shape (C,)."""
        return np.bincount(self.database_classes, minlength=len(self.class_names))

    @property
    def relevant(self) -> NDArray[np.int64]:
        """Codes of its class that each item can find, shape (M,)."""
        return self.class_sizes[self.item_classes] - self.leave_one_out

    def nearest(
        self, items: NDArray[np.intp], k: int, progress: ProgressLike = False
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return similarities and positions, shape (m, k), of the nearest codes of some items, best first."""
        if not self.leave_one_out:
            found = self.index.search(self.items[items], k, scores64=True, progress=progress)
            return found.scores, found.positions
        found = self.index.search(self.items[items], k + 1, scores64=True, progress=progress)
        dropped = found.positions == items[:, None]
        # An item that is not among its own nearest has k + 1 others before it, and the last is one too many.
        dropped[~dropped.any(axis=1), -1] = True
        return found.scores[~dropped].reshape(-1, k), found.positions[~dropped].reshape(-1, k)

    def neighbours(self, k: int, progress: ProgressLike = False) -> tuple[Neighbours, NDArray[np.int64]]:
        """Return the k nearest codes of all items, and their positions, shape (M, k)."""
        everyone = np.arange(len(self.items))
        parts = [
            self.nearest(items, k, part_of(progress, int(items[0]), len(everyone)))
            for items in in_parts(everyone, k)
        ]
        similarities, positions = (np.concatenate(each) for each in zip(*parts, strict=True))
        found = Neighbours(similarities, self.database_classes[positions], len(self.class_names))
        return found, positions


def in_parts(items: NDArray[np.intp], k: int) -> Iterator[NDArray[np.intp]]:
    """Yield items in parts, such that k neighbours of all items of a part fit into memory."""
    step = max(1, _NEIGHBOURS_AT_ONCE // k)
    for start in range(0, len(items), step):
        yield items[start : start + step]


def _rounded(items: NDArray[Any]) -> NDArray[np.float32]:
    """Return test items as the core rounds them, or raise ValueError, which names the first bad row."""
    # A search in parts would name the row by its place in the part.
    try:
        return CosineIndex.from_codes(items, engine="cpu", strategy="float64").codes
    except ValueError as error:
        raise ValueError(f"test codes cannot be searched for: {error}") from error


def _as_classes(labels: ArrayLike, count: int) -> NDArray[Any]:
    """Return labels as an array, after a check that they are classes and no measurements."""
    array = as_labels(labels, count)
    measured = array != np.round(array) if array.dtype.kind == "f" else np.zeros(count, np.bool_)
    if measured.any():
        number = int(measured.argmax())
        raise ValueError(
            f"label {number} is {array[number]}, and labels must be classes: strings or whole numbers"
        )
    return array


def _as_text(names: NDArray[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in names.tolist())
