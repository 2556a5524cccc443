"""Stands in for the extension of the CUDA engine where there is no device: it answers as the reference does.

It also gives up queries, and answers nonsense for them, as a device does whose neighbours lie too close.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import reference

GIVEN_UP = slice(3, None, 7)
"""Which queries of a batch."""


def devices() -> tuple[list[tuple[str, tuple[int, int], int]], str]:
    return [("fake", (9, 0), 1 << 30)], ""


class DeviceRows:
    room = 1 << 40
    capability = (9, 0)

    def __init__(self, dim: int, device: int) -> None:
        self._rows = np.empty((0, dim), np.float32)
        self._ids = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: NDArray[np.float32], ids: NDArray[np.int64] | None) -> None:
        assert rows.dtype == np.float32
        if self._rows.nbytes + rows.nbytes > self.room:
            raise MemoryError(f"the device has no {rows.nbytes} bytes to give, 12 are free")
        before, after = len(self._rows), len(self._rows) + len(rows)
        self._rows = np.concatenate([self._rows, rows])
        self._ids = np.concatenate([self._ids, np.arange(before, after) if ids is None else ids])

    def search(
        self, queries: NDArray[np.float32] | None, k: int, among: NDArray[np.uint32] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.uint32], list[int]]:
        allowed = np.isin(np.arange(len(self)), among) if among is not None else None
        found: Any = (
            reference.search_self(self._rows, k, ids=self._ids)
            if queries is None
            else reference.search(self._rows, queries, k, ids=self._ids, allowed=allowed)
        )
        similarities, scores = found.similarities.copy(), found.scores64.copy()
        positions = found.positions.astype(np.uint32)
        given_up = list(range(len(scores)))[GIVEN_UP]
        similarities[given_up], scores[given_up], positions[given_up] = np.nan, np.nan, len(self) + 99
        return similarities, scores, positions, given_up
