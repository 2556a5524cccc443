"""Ids and labels of an index's rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_int64
from latentknn.labels import as_labels, join_labels


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """What an index knows of its rows beside their codes.

    A change makes a new value of all of it, which the index commits by one assignment: no failure, and no
    Ctrl-C, leaves ids that belong to other rows than the labels do.

    Attributes
    ----------
    count : int
        Number of rows.
    labels : ndarray of shape (count,), or None
        Labels, where the rows have any.
    own_ids : ndarray of shape (count,), int64, or None
        Ids; None while every id is its row's position.
    next_id : int
        Id of the next row that comes without one: the number of rows ever added.
    """

    count: int = 0
    labels: NDArray[Any] | None = None
    own_ids: NDArray[np.int64] | None = None
    next_id: int = 0

    @property
    def ids(self) -> NDArray[np.int64]:
        """A copy of all ids."""
        return np.arange(self.count, dtype=np.int64) if self.own_ids is None else self.own_ids.copy()

    def required_labels(self) -> NDArray[Any]:
        """Return the labels; ValueError where there are none."""
        if self.labels is None:
            raise ValueError("the index has no labels; pass labels= with the codes")
        return self.labels

    def extended(self, count: int, labels: ArrayLike | None, ids: ArrayLike | None) -> LabelledRows:
        """Return these rows followed by others.

        Parameters
        ----------
        count : int
            Number of the others; where it is 0, labels and ids are checked all the same.
        labels, ids
            Theirs, as `CosineIndex.add` takes them.

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.add`, for labels and ids.
        """
        all_labels = self._labels_and(labels, count)
        all_ids = self._ids_and(ids, count)
        if count == 0:
            return self
        return LabelledRows(self.count + count, all_labels, all_ids, self.next_id + count)

    def without(self, ids: ArrayLike) -> tuple[NDArray[np.bool_], LabelledRows]:
        """Return a mask of the rows that are left when those with some ids are removed, and what is left.

        Raises
        ------
        TypeError, ValueError
            For ids that are not integers or that no row has.
        """
        unwanted = as_int64(ids, "ids", np.size(ids))
        own = self.ids
        unknown = unwanted[~np.isin(unwanted, own)]
        if len(unknown) > 0:
            raise ValueError(f"id {unknown[0]} is not in the index; nothing was removed")
        left = ~np.isin(own, unwanted)
        labels = self.labels[left] if self.labels is not None and left.any() else None
        return left, replace(self, count=int(np.count_nonzero(left)), labels=labels, own_ids=own[left])

    def _labels_and(self, labels: ArrayLike | None, count: int) -> NDArray[Any] | None:
        if labels is None:
            if self.labels is not None and count > 0:
                raise ValueError("the index has labels, so new codes need labels= too")
            return self.labels
        new = as_labels(labels, count)
        if count == 0:
            return self.labels
        if self.labels is not None:
            return join_labels(self.labels, new)
        if self.count > 0:
            raise ValueError("the codes in the index have no labels, so new ones cannot have any")
        return new

    def _ids_and(self, ids: ArrayLike | None, count: int) -> NDArray[np.int64] | None:
        if ids is None and self.own_ids is None:
            return None
        if ids is None:
            new = np.arange(self.next_id, self.next_id + count, dtype=np.int64)
        else:
            new = as_int64(ids, "ids", count)
        joined = np.concatenate([self.ids, new])
        distinct, counts = np.unique(joined, return_counts=True)
        if len(distinct) < len(joined):
            raise ValueError(f"id {distinct[counts > 1][0]} occurs twice; ids must be distinct")
        return joined
