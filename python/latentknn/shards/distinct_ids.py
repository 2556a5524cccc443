"""Ids that arrive in batches and must be distinct."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DistinctIds:
    """The ids so far, in sorted parts, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []

    def add(self, ids: NDArray[np.int64]) -> None:
        """Add a batch; ValueError, and none of it is added, where an id occurs twice."""
        new = np.sort(ids)
        twice = new[1:][new[1:] == new[:-1]]
        for known in self._parts:
            at = np.minimum(np.searchsorted(known, new), len(known) - 1)
            twice = np.concatenate([twice, new[known[at] == new]])
        if len(twice) > 0:
            raise ValueError(f"id {twice[0]} occurs twice; ids must be distinct")
        if len(new) > 0:
            self._parts.append(new)
        while len(self._parts) > 1 and len(self._parts[-2]) < 2 * len(self._parts[-1]):
            joined = np.concatenate([self._parts.pop(), self._parts.pop()])
            joined.sort(kind="stable")
            self._parts.append(joined)
