"""The engine "auto": the processor, until many codes move to devices that give the same bytes for them."""

from __future__ import annotations

import warnings

import numpy as np

from latentknn.engines.cpu_engine import CpuEngine
from latentknn.engines.cuda_engine import CudaDatabase, CudaEngine, import_cuda
from latentknn.engines.database import Answer, Database

WORTH_DEVICES = 1 << 23
"""Numbers in the codes, 32 MiB of them, from which devices are worth their cost.

Measured on an H200 beside 16 processors: 10,000 queries among 60,000 codes of 128 dimensions, a little less
than that, take 2 ms instead of 88, and copying the codes 27 ms. Fewer codes gain as much, but not enough to
start CUDA for them.
"""

_PROBES = 64
_NEIGHBOURS = 10


class AutomaticEngine(CpuEngine):
    """The processor, until many codes move to devices; every index has one of its own."""

    def __init__(self) -> None:
        self._tried = False

    def settled(self, database: Database, threads: int) -> Database:
        """Return a database on devices if there are enough rows for them; devices are tried once."""
        if self._tried or len(database) * database.dim < WORTH_DEVICES:
            return database
        moved = on_devices(database, threads)
        self._tried = True
        return database if moved is None else moved


def on_devices(database: Database, threads: int) -> Database | None:
    """Return a database on devices of the same rows, or None where they had better stay where they are.

    They stay where no device can be used, host and devices have not the room, or float16 tells too few of
    some rows' neighbours apart; and, with a warning, where devices fail or do not give the same bytes for
    them.

    Parameters
    ----------
    database : Database
        Of the engine "cpu", not empty.
    threads : int
    """
    try:
        import_cuda()
    except (ImportError, RuntimeError):
        return None
    try:
        rows = database.rows()
        probes = np.ascontiguousarray(rows[:: -(-len(rows) // _PROBES)])
        k = min(_NEIGHBOURS, len(rows))
        moved = CudaDatabase(CudaEngine(), database.dim)
        moved.add(rows, database.own_ids(), threads)
        del rows
        given = None if moved.waiting_rows else moved.answer_of_devices(probes, k)
        if given is None:
            return None
        expected = database.search(probes, k, None, threads, True)
    except MemoryError:
        return None
    except RuntimeError as error:
        warnings.warn(f"engine='auto' stays with the processor: {error}", RuntimeWarning, stacklevel=4)
        return None
    if _bytes(given) != _bytes(expected):
        warnings.warn(
            "engine='auto' stays with the processor: the CUDA devices gave other answers; please report it, "
            "with what `latentknn engines` says",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return moved


def _bytes(answer: Answer) -> list[bytes]:
    return [array.tobytes() for array in answer if array is not None]
