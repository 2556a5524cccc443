"""The CUDA engine: rows on a device, screened by its tensor cores in halves, ranked by the contract."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import Answer

OLDEST_CAPABILITY = (8, 0)
"""Tensor cores with asynchronous copies."""


class CudaDatabase:
    """Rows on a device, and beside it on the host, for saving and for queries that the device gives up.

    The device gives up a query whose neighbours lie so close together that halves do not tell enough of them
    apart; the host then searches for it, exactly. Searches of several threads run one after the other.

    Parameters
    ----------
    dim : int
        Dimensions of a row.
    device : int
        Number of the device.

    Raises
    ------
    ImportError, RuntimeError
        If the engine is not built, or there is no such device.
    """

    strategy = "fp16"

    def __init__(self, dim: int, device: int = 0) -> None:
        self._cuda = import_cuda()
        self._device = device
        self._on_device: Any = self._cuda.DeviceRows(dim, device)  # None: to be copied again from the host
        self._on_host = _core.Database(dim, "float64")
        self._ids: NDArray[np.int64] | None = None
        self._queries = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._on_host)

    @property
    def dim(self) -> int:
        """Dimensions of a row."""
        return self._on_host.dim

    @property
    def isa(self) -> str:
        """Compute capability of the device."""
        with self._lock:
            return "sm_{}{}".format(*self._ready().capability)

    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None:
        """Append rows, on the device first: it is the one that may lack memory."""
        rounded = _core.round_rows(rows, "codes")
        with self._lock:
            before = len(self)
            all_ids = None if ids is None else np.concatenate([self._known_ids(before), ids])
            device_rows, self._on_device = self._ready(), None  # as long as they may differ
            try:
                device_rows.add(rounded, ids)
                self._on_host.add(rounded, ids, threads)
            finally:
                if len(self) > before and all_ids is not None:
                    self._ids = all_ids
                device_rows.truncate(len(self))
                self._on_device = device_rows

    def keep(self, flags: NDArray[np.uint8], threads: int) -> None:
        """Remove the rows whose flag is zero."""
        with self._lock:
            before = len(self)
            kept = self._known_ids(before)[flags.view(np.bool_)]
            self._on_device = None  # its memory is free for those that stay
            try:
                self._on_host.keep(flags, threads)
            finally:
                if len(self) != before:
                    self._ids = kept

    def rows(self) -> NDArray[np.float32]:
        """Return a copy of all rows."""
        return self._on_host.rows()

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from; the device does not count what it scores."""
        return {
            "strategy": self.strategy,
            "arithmetic": "fp16",
            "rows": len(self),
            "screened_dims": self.dim,
            "unscreened_rows": 0,
            "considered": [],
            "queries": self._queries,
            "screened_rows": None,
            "scored_rows": None,
        }

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
    ) -> Answer:
        """Find each query's k best rows."""
        rounded = _core.round_rows(queries, "queries")
        with self._lock:
            self._queries += len(rounded)
            among = None
            if allowed is not None:
                if len(allowed) != len(self):
                    raise ValueError(
                        f"allowed must have one flag for each of the {len(self)} rows, "
                        f"received {len(allowed)}"
                    )
                among = np.flatnonzero(allowed).astype(np.uint32)
            similarities, scores, numbers, failed = self._ready().search(rounded, k, among)
            positions = numbers.astype(np.int64)
            if failed:
                by_host = self._on_host.search(rounded[failed], k, allowed, threads, True)
                similarities[failed], positions[failed], _, scores[failed] = by_host
            return similarities, positions, self._ids_at(positions), scores if scores64 else None

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others."""
        with self._lock:
            self._queries += len(self)
            similarities, scores, numbers, failed = self._ready().search(None, k, None)
            positions = numbers.astype(np.int64)
            if failed:
                by_host = self._on_host.search(self.rows()[failed], k + 1, None, threads, True)
                # The row itself is among its neighbours, unless more others are equal to it.
                others = by_host[1] != np.array(failed)[:, np.newaxis]
                others[others.all(axis=1), -1] = False
                for found, exact in (
                    (similarities, by_host[0]),
                    (positions, by_host[1]),
                    (scores, by_host[3]),
                ):
                    assert exact is not None
                    found[failed] = exact[others].reshape(len(failed), k)
            return similarities, positions, self._ids_at(positions), scores if scores64 else None

    def _ids_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return positions.copy() if self._ids is None else self._ids[positions]

    def _known_ids(self, count: int) -> NDArray[np.int64]:
        return np.arange(count, dtype=np.int64) if self._ids is None else self._ids

    def _ready(self) -> Any:
        """Return the rows on the device, copied again where they were given up."""
        if self._on_device is None:
            device_rows = self._cuda.DeviceRows(self.dim, self._device)
            device_rows.add(self._on_host.rows(), self._ids)
            self._on_device = device_rows
        return self._on_device


def import_cuda() -> ModuleType:
    """Return the extension; ImportError or RuntimeError, saying what to do, without it or a device."""
    try:
        from latentknn import _cuda
    except ImportError as error:
        raise ImportError(
            "latentknn was built without CUDA: install it from source where nvcc is on the PATH, or with "
            "-C cmake.define.LATENTKNN_CUDA=ON to see what is missing"
        ) from error
    found, missing = _cuda.devices()
    if not found:
        raise RuntimeError(f"no CUDA device can be used: {missing}")
    name, capability, _ = found[0]
    if capability < OLDEST_CAPABILITY:
        raise RuntimeError(
            "no CUDA device can be used: {} has compute capability {}.{}, and {}.{} is needed".format(
                name, *capability, *OLDEST_CAPABILITY
            )
        )
    return _cuda
