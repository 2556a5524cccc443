"""What filters ask of the codes of several shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.database import NO_ROW


@dataclass(frozen=True, eq=False)
class RowsOfShards:
    """The codes of shards in this process, as `latentknn.index.filters.KnownRows` has them.

    Parameters
    ----------
    count : int
        Number of codes.
    required_labels : callable
        Returns the labels, or raises ValueError where there are none.
    ids : callable
        Gives the ids of one shard after the other; not called where ids are positions.
    numbered : bool
        Whether ids are positions.
    """

    count: int
    required_labels: Callable[[], NDArray[Any]]
    ids: Callable[[], Iterable[NDArray[np.int64]]]
    numbered: bool

    def positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the codes with some distinct ids, or `NO_ROW`."""
        if self.numbered:
            return positions_by_number(ids, self.count)
        positions = np.full(len(ids), NO_ROW)
        first = 0
        for of_shard in self.ids():
            places = places_among(ids, of_shard)
            positions = np.where(places == NO_ROW, positions, places + first)
            first += len(of_shard)
        return positions


def positions_by_number(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the positions of some ids where ids are positions, or `NO_ROW`."""
    return np.where((ids >= 0) & (ids < count), ids, NO_ROW)


def places_among(wanted: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where some ids stand among others, or `NO_ROW`; ids are distinct.

    The wanted ids alone are sorted, as they are fewer than those of a shard.

    Examples
    --------
    >>> places_among(np.array([7, 5, 6]), np.array([5, 7, 8])).tolist()
    [1, 0, -1]
    """
    places = np.full(len(wanted), NO_ROW)
    if len(wanted) > 0:
        order = np.argsort(wanted)
        ordered = wanted[order]
        near = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
        found = np.flatnonzero(ordered[near] == ids)
        places[order[near[found]]] = found
    return places
