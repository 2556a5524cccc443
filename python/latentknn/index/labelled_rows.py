"""Ids, labels and metadata of an index's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.arrays import as_int64, distinct
from latentknn.files.metadata_column import as_metadata
from latentknn.index.growing_array import GrowingArray
from latentknn.index.growing_table import GrowingTable
from latentknn.index.known_ids import NOWHERE, KnownIds
from latentknn.labels import as_labels, join_labels

_FEW = 32
"""Slots whose positions are counted one by one."""

_NO_ROWS: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False, init=False)
class LabelledRows:
    """What an index knows of its rows beside their codes.

    A change makes a new value of all of it, which the index commits by one assignment: no failure, and no
    Ctrl-C, leaves ids that belong to other rows than the labels do. The new value shares the memory of the
    old one. Every row that came has a slot; those of removed rows are marked, until they are more than half.

    Parameters
    ----------
    count : int
        Number of rows.
    labels : ndarray of shape (count,), or None
        Labels, where the rows have any.
    own_ids : ndarray of shape (count,), int64, or None
        Ids, which are distinct; None while every id is its row's position.
    next_id : int
        Id of the next row that comes without one: the number of rows ever added.
    metadata : pyarrow.Table of `count` rows, or None
        Columns of metadata, where the rows have any.
    """

    count: int
    next_id: int
    _labels: GrowingArray | None
    _metadata: GrowingTable | None
    # The ids by slot, and where they are found; None while every id is its row's slot.
    _ids: GrowingArray | None
    _known: KnownIds
    # By slot, which rows were not removed; None where none was.
    _live: GrowingArray | None

    def __init__(
        self,
        count: int = 0,
        labels: NDArray[Any] | None = None,
        own_ids: NDArray[np.int64] | None = None,
        next_id: int = 0,
        metadata: Any = None,
    ) -> None:
        known = KnownIds()
        if own_ids is not None and count > 0:
            known = known.extended(own_ids, np.arange(count), None)
        self._set(
            count=count,
            next_id=next_id,
            _labels=None if labels is None else GrowingArray(labels),
            _metadata=None if metadata is None else GrowingTable(metadata),
            _ids=None if own_ids is None else GrowingArray(own_ids),
            _known=known,
            _live=None,
        )

    @property
    def labels(self) -> NDArray[Any] | None:
        """Labels in order of insertion, where the rows have any; read only."""
        return None if self._labels is None else self._of_live(self._labels.values)

    @property
    def metadata(self) -> Any:
        """A table of Arrow with the metadata in order of insertion, where the rows have any."""
        if self._metadata is None:
            return None
        table = self._metadata.table
        return table if self._live is None else table.filter(self._live.values)

    @property
    def own_ids(self) -> NDArray[np.int64] | None:
        """Ids in order of insertion, read only; None while every id is its row's position."""
        if self._ids is None and self._live is None:
            return None
        return self._of_live(self._slot_ids())

    @property
    def ids(self) -> NDArray[np.int64]:
        """A copy of all ids."""
        return np.array(self._of_live(self._slot_ids()))

    @property
    def labelled(self) -> bool:
        """Whether the rows have labels."""
        return self._labels is not None

    def required_labels(self) -> NDArray[Any]:
        """Return the labels; ValueError where there are none."""
        if self.labels is None:
            raise ValueError("the index has no labels; pass labels= with the codes")
        return self.labels

    def last_ids(self, count: int) -> NDArray[np.int64] | None:
        """Return the ids of the last rows, none of which was removed; None while ids are positions."""
        if self._ids is None and self._live is None:
            return None
        return self._slot_ids(count)

    def knows(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether some row has each of some ids."""
        known: NDArray[np.bool_] = np.not_equal(self._find(ids), NOWHERE)
        return known

    def positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the rows with some ids, or NOWHERE."""
        slots = self._find(ids)
        there = slots != NOWHERE
        positions = np.full(len(ids), NOWHERE)
        positions[there] = self._positions(slots[there])
        return positions

    def labels_of(self, ids: NDArray[np.int64]) -> NDArray[Any] | None:
        """Return the labels of the rows with some ids, which there are; None where rows have none."""
        return None if self._labels is None else self._labels.values[self._find(ids)]

    def metadata_of(self, ids: NDArray[np.int64]) -> Any:
        """Return the metadata of the rows with some ids, which there are; None where rows have none."""
        return None if self._metadata is None else self._metadata.table.take(self._find(ids))

    def extended(
        self,
        count: int,
        labels: ArrayLike | None,
        ids: ArrayLike | None,
        came: int | None = None,
        metadata: Any = None,
    ) -> LabelledRows:
        """Return these rows followed by others.

        Parameters
        ----------
        count : int
            Number of the others; where it is 0, labels and ids are checked all the same.
        labels, ids
            Theirs, as `CosineIndex.add` takes them.
        came : int, optional
            How many of the others are counted as added; by default all.
        metadata : table, optional
            Theirs, as `CosineIndex.add` takes them.

        Raises
        ------
        TypeError, ValueError
            As `CosineIndex.add`, for labels, ids and metadata.
        """
        new_labels = self._checked_labels(labels, count)
        all_metadata = self._extended_metadata(metadata, count)
        new_ids = None if ids is None else as_int64(ids, "ids", count)
        if new_ids is None and self._ids is not None:
            new_ids = np.arange(self.next_id, self.next_id + count, dtype=np.int64)
        if new_ids is not None:
            self._check_new(new_ids)
        if count == 0:
            return self
        all_labels = self._labels
        if new_labels is not None:
            if self._labels is None:
                all_labels = GrowingArray(new_labels)
            else:
                # The dtype tells whether the labels that are there stay as they are.
                alone = join_labels(self._labels.values[:0], new_labels)
                if alone.dtype != self._labels.values.dtype:
                    joined = join_labels(self.required_labels(), new_labels)
                    return self.compacted(joined[: self.count]).extended(
                        count, joined[self.count :], ids, came, metadata
                    )
                all_labels = self._labels.appended(alone)
        slots = np.arange(self._slots, self._slots + count)
        all_ids, known = self._ids, self._known
        if new_ids is not None:
            if all_ids is None:
                all_ids = GrowingArray(np.arange(self._slots))
                known = known.extended(all_ids.values, all_ids.values, None)
            all_ids = all_ids.appended(new_ids)
            known = known.extended(new_ids, slots, self._flags)
        return self._with(
            count=self.count + count,
            next_id=self.next_id + (count if came is None else came),
            _labels=all_labels,
            _metadata=all_metadata,
            _ids=all_ids,
            _known=known,
            _live=None if self._live is None else self._live.appended(np.ones(count, np.bool_)),
        )

    def without(
        self, ids: ArrayLike, outcome: str = "nothing was removed"
    ) -> tuple[NDArray[np.int64], LabelledRows]:
        """Return the positions of the rows with some ids, ascending, and what is left when they are removed.

        Raises
        ------
        TypeError, ValueError
            For ids that are not integers or that no row has; the message ends with `outcome`.
        """
        unwanted = as_int64(ids, "ids", np.size(ids))
        slots = self._find(unwanted)
        if (slots == NOWHERE).any():
            raise ValueError(f"id {unwanted[slots.argmin()]} is not in the index; {outcome}")
        slots = distinct(slots)
        positions = self._positions(slots)
        if len(slots) == 0:
            return positions, self
        if len(slots) == self.count:
            return positions, LabelledRows(0, None, _NO_ROWS, self.next_id)
        live = np.ones(self._slots, np.bool_) if self._live is None else self._live.values.copy()
        live[slots] = False
        left = self._with(count=self.count - len(slots), _live=GrowingArray(live))
        return positions, left.compacted() if 2 * left.count < left._slots else left

    def compacted(self, labels: NDArray[Any] | None = None) -> LabelledRows:
        """Return the same rows without the slots of removed ones, with other labels where these are given."""
        if labels is None and self._live is None:
            return self
        given = self.labels if labels is None else labels
        return LabelledRows(self.count, given, self.own_ids, self.next_id, self.metadata)

    def going_on(self, next_id: int, own_ids: NDArray[np.int64] | None) -> LabelledRows:
        """Return the same rows as those of an index to which more rows have come, which are gone by now."""
        return LabelledRows(self.count, self.labels, own_ids, next_id, self.metadata)

    @property
    def _slots(self) -> int:
        return self.count if self._live is None else len(self._live)

    @property
    def _flags(self) -> NDArray[np.bool_] | None:
        return None if self._live is None else self._live.values

    def _slot_ids(self, last: int | None = None) -> NDArray[np.int64]:
        """Return the ids of all slots, or of the last ones."""
        first = 0 if last is None else self._slots - last
        return np.arange(first, self._slots) if self._ids is None else self._ids.values[first:]

    def _of_live(self, by_slot: NDArray[Any]) -> NDArray[Any]:
        return by_slot if self._live is None else by_slot[self._live.values]

    def _find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of rows with some ids, or NOWHERE."""
        if self._ids is not None:
            return self._known.find(ids, self._flags)
        slots = np.where((ids >= 0) & (ids < self._slots), ids, NOWHERE)
        if self._flags is not None:
            slots[(slots != NOWHERE) & ~self._flags[slots]] = NOWHERE
        return slots

    def _positions(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the rows in some slots."""
        if self._flags is None:
            return slots
        if len(slots) > _FEW:
            return np.cumsum(self._flags)[slots] - 1
        return np.array([np.count_nonzero(self._flags[:slot]) for slot in slots], np.int64)

    def _check_new(self, ids: NDArray[np.int64]) -> None:
        """Raise ValueError if an id comes twice, or some row has it."""
        ordered = np.sort(ids)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        taken = ordered[self.knows(ordered)]
        if len(twice) > 0 or len(taken) > 0:
            first = np.concatenate([twice, taken]).min()
            raise ValueError(f"id {first} occurs twice; ids must be distinct")

    def _checked_labels(self, labels: ArrayLike | None, count: int) -> NDArray[Any] | None:
        if labels is None:
            if self.labelled and count > 0:
                raise ValueError("the index has labels, so new codes need labels= too")
            return None
        new = as_labels(labels, count)
        if count > 0 and not self.labelled and self.count > 0:
            raise ValueError("the codes in the index have no labels, so new ones cannot have any")
        return new

    def _extended_metadata(self, metadata: Any, count: int) -> GrowingTable | None:
        """Return the metadata of these rows and of others."""
        if metadata is None:
            if self._metadata is not None and count > 0:
                raise ValueError("the index has metadata, so new codes need metadata= too")
            return self._metadata
        new = as_metadata(metadata, count)
        if self._metadata is not None:
            return self._metadata.appended(new)
        if count > 0 and self.count > 0:
            raise ValueError("the codes in the index have no metadata, so new ones cannot have any")
        return GrowingTable(new)

    def _with(self, **changed: Any) -> LabelledRows:
        """Return a value that has these attributes, and the others of this one."""
        other = object.__new__(type(self))
        other._set(**{**self.__dict__, **changed})
        return other

    def _set(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            object.__setattr__(self, name, value)
