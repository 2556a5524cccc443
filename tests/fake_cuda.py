"""Stands in for the extension of the CUDA engine where there is no device: it answers as the reference does.

It also gives up queries, and answers nonsense for them, as a device does whose neighbours lie too close.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import reference

GIVEN_UP = slice(3, None, 7)
"""Which queries of a batch."""


def devices() -> tuple[list[tuple[str, tuple[int, int], int]], str]:
    return [("fake", (9, 0), 1 << 30)], ""


class ShardedRows:
    room = 1 << 40

    def __init__(self, dim: int, devices: Sequence[int]) -> None:
        self._rows = np.empty((0, dim), np.float32)
        self._ids = np.empty(0, np.int64)
        self._devices = len(devices)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shares(self) -> list[int]:
        parts = np.array_split(self._ids, self._devices + 1)
        return [len(part) for part in parts]

    def add(self, rows: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        assert rows.dtype == np.float32
        if self._rows.nbytes + rows.nbytes > self.room:
            raise MemoryError(f"the device has no {rows.nbytes} bytes to give, 12 are free")
        self._rows = np.concatenate([self._rows, rows])
        self._ids = np.concatenate([self._ids, ids])

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64], list[int]]:
        flags = None if allowed is None else allowed.view(np.bool_)
        found = reference.search(self._rows, queries, k, ids=self._ids, allowed=flags)
        similarities, scores = found.similarities.copy(), found.scores64.copy()
        positions = found.positions.copy()
        given_up = list(range(len(scores)))[GIVEN_UP]
        similarities[given_up], scores[given_up], positions[given_up] = np.nan, np.nan, len(self) + 99
        return similarities, scores, positions, given_up
