"""Where the rows of an index are found by their ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1
"""Slot of an id that no row has."""

_JOINED_TIMES = 2
"""Runs are sorted anew, with the ids behind them, while they have at most so many times as many."""


@dataclass(frozen=True)
class _Run:
    """Ids in ascending order, and their slots."""

    ids: NDArray[np.int64]
    slots: NDArray[np.int64]

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of ids, or NOWHERE."""
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, self.slots[at], NOWHERE)


@dataclass(frozen=True)
class KnownIds:
    """The ids that rows came with, in sorted runs; a longer one shares the runs of this one.

    There are few runs, each more than twice as long as those behind it: finding an id takes a search in
    each, and adding one sorts few ids anew. A slot is the number of a row among all that came. An id of a
    removed row stays in its run until the run is sorted anew.

    Parameters
    ----------
    runs : tuple
        Of `_Run`.
    """

    runs: tuple[_Run, ...] = ()

    def extended(
        self, ids: NDArray[np.int64], slots: NDArray[np.int64], live: NDArray[np.bool_] | None
    ) -> KnownIds:
        """Return these ids and others, none of which a live row has.

        Parameters
        ----------
        ids, slots : ndarray of shape (n,), int64
            The others.
        live : ndarray of bool, or None
            By slot, which rows were not removed; None where none was.
        """
        runs = list(self.runs)
        joined = [_Run(ids, slots)]
        count = len(ids)
        while runs and len(runs[-1].ids) <= _JOINED_TIMES * count:
            last = runs.pop()
            count += len(last.ids)
            if live is not None:
                kept = live[last.slots]
                last = _Run(last.ids[kept], last.slots[kept])
            joined.append(last)
        all_ids = np.concatenate([run.ids for run in joined])
        all_slots = np.concatenate([run.slots for run in joined])
        order = np.argsort(all_ids, kind="stable")
        return KnownIds((*runs, _Run(all_ids[order], all_slots[order])))

    def find(self, ids: NDArray[np.int64], live: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Return the slots of the live rows with some ids, or NOWHERE where there is none."""
        found = np.full(len(ids), NOWHERE)
        for run in self.runs:
            slots = run.find(ids)
            if live is not None:
                slots[(slots != NOWHERE) & ~live[slots]] = NOWHERE
            np.maximum(found, slots, out=found)
        return found
