"""The CUDA engine: rows on a device, screened by its tensor cores in halves, ranked by the contract."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.stored_database import Found, StoredDatabase, others_of

OLDEST_CAPABILITY = (8, 0)
"""Tensor cores with asynchronous copies."""


class CudaDatabase(StoredDatabase):
    """Rows on a device; the host answers queries that the device gives up.

    The device gives up a query whose neighbours lie so close together that halves do not tell enough of them
    apart.

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
    arithmetic = "fp16"

    def __init__(self, dim: int, device: int = 0) -> None:
        self._cuda = import_cuda()
        self._device = device
        super().__init__(dim)
        self.screened_dims = dim

    @property
    def isa(self) -> str:
        """Compute capability of the device."""
        with self._lock:
            return "sm_{}{}".format(*self._ready(1).capability)

    def _made(self, threads: int) -> Any:
        device_rows = self._cuda.DeviceRows(self.dim, self._device)
        if len(self) > 0:
            device_rows.add(self._store.rows(), self._ids)
        return device_rows

    def _append(
        self, engine_rows: Any, rows: NDArray[np.float32], ids: NDArray[np.int64] | None, threads: int
    ) -> None:
        engine_rows.add(rows, ids)

    def _find(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.uint8] | None, threads: int
    ) -> Found:
        among = None if allowed is None else np.flatnonzero(allowed).astype(np.uint32)
        similarities, scores, numbers, failed = self._ready(threads).search(queries, k, among)
        positions = numbers.astype(np.int64)
        if failed:
            by_host = self._store.search(queries[failed], k, allowed, threads, True)
            similarities[failed], positions[failed], _, scores[failed] = by_host
        return similarities, positions, scores

    def _find_others(self, k: int, threads: int) -> Found:
        similarities, scores, numbers, failed = self._ready(threads).search(None, k, None)
        positions = numbers.astype(np.int64)
        if failed:
            exact = self._store.search(self.rows()[failed], k + 1, None, threads, True)
            others = others_of(exact[1], np.array(failed))
            for found, by_host in zip(
                (similarities, positions, scores), (exact[0], exact[1], exact[3]), strict=True
            ):
                assert by_host is not None
                found[failed] = by_host[others].reshape(len(failed), k)
        return similarities, positions, scores


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
