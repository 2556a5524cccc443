"""The CUDA engine: rows on devices, screened by their tensor cores, ranked by the contract."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import is_on_device
from latentknn.arrays import as_rows
from latentknn.engines.database import Answer, Database
from latentknn.engines.device_arrays import as_device_rows, copied
from latentknn.engines.engine import Engine
from latentknn.engines.stored_database import StoredDatabase, others_alone

OLDEST_CAPABILITY = (8, 0)
"""The compute capability from which tensor cores copy asynchronously, as the kernels do."""

WORTH_SCREENING = 100
"""Queries that devices have given up, from which the host screens its rows before it scores them.

Packing a row takes the host about as long as scoring it in float64 for some hundred queries.
"""


@dataclass(frozen=True)
class CudaEngine(Engine):
    """On which devices CUDA is to search; the argument ``engine`` of an index takes it.

    Codes are spread over the devices, evenly where there are many of them; what they have no room for stays
    on the host, and is brought to them for every search. The answers are the same.

    Parameters
    ----------
    devices : sequence of int or None
        Numbers of the devices, from 0; None: all that there are. They should be alike, because each gets as
        many codes.
    memory : int or None
        Bytes that the index may use of each device; None: what is free when it gets its first codes.

    Raises
    ------
    ValueError
        If there is no device among them, or no memory.
    TypeError
        If a number is not an integer.

    Examples
    --------
    >>> import latentknn as lk
    >>> lk.CudaEngine([0, 1])
    CudaEngine(devices=(0, 1), memory=None)
    >>> lk.CudaEngine(memory=2**30).memory
    1073741824
    """

    exact = True

    devices: Sequence[int] | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and operator.index(self.memory) < 1:
            raise ValueError(f"memory must be at least one byte, received {self.memory}")
        if self.devices is None:
            return
        object.__setattr__(self, "devices", tuple(operator.index(number) for number in self.devices))
        if len(self.devices) == 0:
            raise ValueError("devices must name at least one device, received none; None stands for all")

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "cuda"

    def kernels(self) -> str:
        """Return the devices, and on each the instructions that multiply, if it can be asked."""
        cuda, usable = import_cuda()
        devices, _ = cuda.devices()
        return ", ".join(
            "{} ({})".format(devices[number][0], ", ".join(_kernels_of_device(cuda, number, capability)))
            for number, capability in usable.items()
        )

    def make_database(self, dim: int, strategy: str) -> Database:
        """Return an empty database on the devices."""
        return CudaDatabase(self, dim)

    def on_host(self, values: ArrayLike) -> ArrayLike:
        """Return values, copied to the host if they are on a device."""
        return copied(import_cuda()[0].DeviceArray.of(values)) if is_on_device(values) else values


class CudaDatabase(StoredDatabase):
    """Rows on devices; the host answers queries that the devices give up.

    Devices screen in int8 where that is likely to tell the neighbours apart, and again in float16 what it
    does not. They give up a query whose neighbours lie so close together that float16 does not either.

    Parameters
    ----------
    engine : CudaEngine
    dim : int
        Dimensions of a row.

    Raises
    ------
    ImportError, RuntimeError
        If the engine is not built, or there is no such device.

    Examples
    --------
    >>> from latentknn.engines import CudaDatabase, availability, make_database
    >>> cuda = next(engine for engine in availability() if engine.name == "cuda")
    >>> not cuda.available or isinstance(make_database("cuda", 4, "auto"), CudaDatabase)
    True
    """

    strategy = "int8 or fp16"
    arithmetic = "int8 or fp16"

    def __init__(self, engine: CudaEngine, dim: int) -> None:
        self._cuda, usable = import_cuda()
        self._usable = usable
        self._numbers = list(usable if engine.devices is None else engine.devices)
        missing = [number for number in self._numbers if number not in usable]
        if missing:
            raise RuntimeError(f"there is no CUDA device {missing[0]} to use; there are {_listed(usable)}")
        # The extension reads 0 as all that is free.
        self._memory = engine.memory or 0
        self._capabilities = {usable[number] for number in self._numbers}
        self._given_up = 0
        super().__init__(engine, dim)
        self.screened_dims = dim

    @property
    def isa(self) -> str:
        """Compute capability of the devices."""
        return ", ".join("sm_{}{}".format(*capability) for capability in sorted(self._capabilities))

    @property
    def waiting_rows(self) -> int:
        """How many rows wait on the host, because the devices have no room for them."""
        with self._lock:
            return int(self._engine_rows.shares()[-1])

    def answer_of_devices(self, queries: NDArray[np.float32], k: int) -> Answer | None:
        """Return what devices alone find, uncounted; None if they give a query up."""
        with self._lock:
            *answer, failed = self._engine_rows.search(queries, k, None, 1, True)
            return None if failed else tuple(answer)

    def as_queries(self, values: ArrayLike, on_device: bool) -> tuple[Any, int | None]:
        """Return queries where they are, if the kernels can read them there."""
        if is_on_device(values):
            array = self._cuda.DeviceArray.of(values)
            rows, device = as_device_rows(array, "queries", self.dim)
        else:
            rows, device = as_rows(values, "queries", self.dim), self._numbers[0]
        return rows, device if on_device else None

    def placed(self, answer: Answer, device: int | None) -> Any:
        """Return an answer, copied to a device if one is named."""
        if device is None:
            return answer
        copy = self._cuda.DeviceArray.copy_of
        return tuple(None if array is None else copy(array, device) for array in answer)

    def _rounded(self, queries: Any) -> Any:
        """Return queries as float32, where they are."""
        # On a device that is not too old for them, kernels find out whether all are finite.
        if isinstance(queries, self._cuda.DeviceArray):
            if queries.device in self._usable:
                return queries
            queries = queries.to_host()
        return queries if queries.dtype == np.float32 else super()._rounded(queries)

    def _placement(self) -> str:
        with self._lock:
            if not self._current:
                return ""
            *shares, waiting = self._engine_rows.shares()
        places = [(share, f"device {number}") for share, number in zip(shares, self._numbers, strict=True)]
        places.append((waiting, "the host, brought for every search"))
        return "; ".join(f"{share:,} codes on {place}" for share, place in places if share)

    def _repeats(self) -> str:
        with self._lock:
            in_bytes, left_open = self._engine_rows.tally()
        said = [f"{in_bytes:,} screened in int8, {left_open:,} of them again in fp16"] if in_bytes else []
        said += [f"{self._given_up:,} given up to the host"] if self._given_up else []
        return ", ".join(said)

    def _make(self) -> Any:
        return self._cuda.ShardedRows(self.dim, self._numbers, self._memory)

    def _remake(self, engine_rows: Any, threads: int) -> Any:
        engine_rows.clear()
        engine_rows.add(self._store.rows(), self._known_ids())
        return engine_rows

    def _append(
        self, engine_rows: Any, rows: NDArray[np.float32], ids: NDArray[np.int64], threads: int
    ) -> None:
        engine_rows.add(rows, ids)

    def _find(
        self, queries: Any, k: int, allowed: NDArray[np.uint8] | None, threads: int, scores64: bool
    ) -> Answer:
        try:
            *answer, failed = self._ready(threads).search(queries, k, allowed, threads, scores64)
        except self._cuda.NotFiniteError:
            # The core says which row it is.
            super()._rounded(queries if isinstance(queries, np.ndarray) else queries.to_host())
            raise
        if failed:
            if isinstance(queries, self._cuda.DeviceArray):
                queries = queries.to_host()
            self._given_up += len(failed)
            by_host = self._host_rows(threads).search(queries[failed], k, allowed, threads, scores64)
            for array, found in zip(answer, by_host, strict=True):
                if array is not None:
                    array[failed] = found
        return tuple(answer)

    def _host_rows(self, threads: int) -> Any:
        """Return the rows on the host, screened from the time when that is worth their packing."""
        return self._stored.screened(threads) if self._given_up >= WORTH_SCREENING else self._store

    def _on_host(self, queries: Any) -> NDArray[Any]:
        return queries if isinstance(queries, np.ndarray) else queries.to_host()

    def _find_others(self, k: int, threads: int, scores64: bool) -> Answer:
        found = self._find(self.rows(), k + 1, None, threads, scores64)
        return others_alone(found, np.arange(len(self)))


def _kernels_of_device(cuda: ModuleType, number: int, capability: tuple[int, int]) -> list[str]:
    """Return a device's capability and the instructions that multiply on it, if it can be asked."""
    kernels = ["sm_{}{}".format(*capability)]
    # A device that others use now can still be used later.
    with contextlib.suppress(MemoryError, RuntimeError):
        kernels.append(cuda.products(number))
    return kernels


def import_cuda() -> tuple[ModuleType, dict[int, tuple[int, int]]]:
    """Return the extension, and the compute capability of each device that can be used, by its number.

    Raises
    ------
    ImportError, RuntimeError
        Where there is no extension or no such device, saying what to do.
    """
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
    usable = {i: capability for i, (_, capability, _) in enumerate(found) if capability >= OLDEST_CAPABILITY}
    if not usable:
        name, capability, _ = found[0]
        raise RuntimeError(
            "no CUDA device can be used: {} has compute capability {}.{}, and {}.{} is needed".format(
                name, *capability, *OLDEST_CAPABILITY
            )
        )
    return _cuda, usable


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
