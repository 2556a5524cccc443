"""What the engine "auto" does with devices: it takes them for many codes, if they give the same bytes."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.cuda_engine import CudaDatabase, CudaEngine, import_cuda
from latentknn.engines.database import Answer, Database

WORTH_DEVICES = 1 << 25
"""Numbers in the codes, 128 MiB of them, from which devices are worth their cost.

Calculated, not measured: a batch gains with fewer codes, but from here on a single query should too, and
starting CUDA and copying the codes should cost less than one batch saves.
"""

_PROBES = 64
_NEIGHBOURS = 10


def on_devices(
    database: Database, ids: NDArray[np.int64] | None, threads: int
) -> tuple[CudaEngine, CudaDatabase] | None:
    """Return an engine and its database of the same rows, or None where they had better stay where they are.

    They stay where no device can be used or has the room, and, with a warning, where devices fail or do not
    give the same bytes for some of the rows.

    Parameters
    ----------
    database : Database
        Of the engine "cpu", not empty.
    ids : ndarray of shape (n,), int64, or None
        The rows' ids, if they have ids of their own.
    threads : int
    """
    try:
        import_cuda()
    except (ImportError, RuntimeError):
        return None
    engine = CudaEngine()
    rows = database.rows()
    probes = np.ascontiguousarray(rows[:: -(-len(rows) // _PROBES)])
    k = min(_NEIGHBOURS, len(rows))
    try:
        moved = CudaDatabase(engine, database.dim)
        moved.add(rows, ids, threads)
        if moved.waiting_rows:
            return None
        given = moved.search(probes, k, None, threads, True)
    except MemoryError:
        return None
    except RuntimeError as error:
        warnings.warn(f"engine='auto' stays with the processor: {error}", RuntimeWarning, stacklevel=4)
        return None
    expected = database.search(probes, k, None, threads, True)
    if _bytes(given) != _bytes(expected):
        warnings.warn(
            "engine='auto' stays with the processor: the CUDA devices gave other answers; please report it, "
            "with what `latentknn engines` says",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return engine, moved


def _bytes(answer: Answer) -> list[bytes]:
    return [array.tobytes() for array in answer if array is not None]
