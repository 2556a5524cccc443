"""FAISS as an engine: flat, or any index that its factory makes, on CPU or GPU."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.engines.database import Answer

_ROWS_AT_ONCE = 8192


class FaissRequestError(ValueError):
    """FAISS cannot do what it was asked for, as its message says."""


@dataclass(frozen=True)
class FaissEngine:
    """How FAISS is to search; the argument ``engine`` of an index takes it.

    FAISS computes in float32, in an order of its own, and most of its indexes find most neighbours, not all:
    `CosineIndex.exact` is False, and `CosineIndex.recall` measures what is found. A query for which it finds
    fewer than k neighbours is searched for exactly, among all codes. What it trains is trained on the first
    codes that are added, and anew where an index is loaded.

    Parameters
    ----------
    factory : str
        What ``faiss.index_factory`` makes the index from, such as "Flat", "HNSW32", "IVF1024,Flat" or
        "IVF1024,PQ16".
    parameters : mapping of str to number
        Search parameters as FAISS names them, such as ``{"nprobe": 16}`` or ``{"efSearch": 64}``.
    rescore : int
        How many times k candidates FAISS is asked for, of which the best k by the exact similarity are
        returned; 0: its own similarities and order stand.
    gpu : bool
        Whether the index is moved to all GPUs; needs a FAISS with CUDA.

    Raises
    ------
    TypeError, ValueError
        If ``rescore`` is no integer or negative.

    References
    ----------
    M. Douze et al., "The Faiss library", 2024.
    """

    factory: str = "Flat"
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    rescore: int = 0
    gpu: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", dict(self.parameters))
        if operator.index(self.rescore) < 0:
            raise ValueError(f"rescore must be at least 0, received {self.rescore}")

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "faiss-gpu" if self.gpu else "faiss"

    def make_index(self, dim: int) -> Any:
        """Return an empty FAISS index of rows of length 1, by inner product.

        Raises
        ------
        ImportError
            If FAISS is missing, or has no CUDA where ``gpu`` asks for it.
        RuntimeError
            If ``gpu`` asks for a GPU and there is none.
        ValueError
            If FAISS does not understand the factory string or a parameter.
        """
        faiss = import_faiss(self.gpu)
        settings = f"{self.factory!r}" + (f" with {dict(self.parameters)}" if self.parameters else "")
        with _translated(f"make an index of {dim} dimensions from {settings}"):
            index = faiss.index_factory(dim, self.factory, faiss.METRIC_INNER_PRODUCT)
            space = faiss.ParameterSpace()
            for name, value in self.parameters.items():
                space.set_index_parameter(index, name, float(value))
            return self._placed(index)

    def emptied(self, index: Any) -> Any:
        """Return an empty index that is trained and set as a given one."""
        faiss = import_faiss(self.gpu)
        with _translated("copy its index"):
            fresh = faiss.index_gpu_to_cpu(index) if self.gpu else faiss.clone_index(index)
            fresh.reset()
            return self._placed(fresh)

    def _placed(self, index: Any) -> Any:
        return import_faiss(True).index_cpu_to_all_gpus(index) if self.gpu else index


class FaissDatabase:
    """Rows in a FAISS index, and beside it as they came, for rescoring, saving and rebuilding.

    Searches of several threads run one after the other.

    Parameters
    ----------
    engine : FaissEngine
    dim : int
        Dimensions of a row.
    """

    def __init__(self, engine: FaissEngine, dim: int) -> None:
        self._engine = engine
        self._index = engine.make_index(dim)  # None: to be made again from the store
        self._store = _core.Database(dim, "float64")
        self._ids: NDArray[np.int64] | None = None
        self._queries = 0
        self._lock = threading.RLock()  # FAISS has no searches beside changes

    def __len__(self) -> int:
        return len(self._store)

    @property
    def dim(self) -> int:
        """Dimensions of a row."""
        return self._store.dim

    @property
    def isa(self) -> str:
        """What FAISS says that it was compiled for."""
        return str(import_faiss(self._engine.gpu).get_compile_options()).strip()

    @property
    def strategy(self) -> str:
        """The factory string."""
        return self._engine.factory

    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None:
        """Append rows, training the index on the first ones where it wants that."""
        rounded = _core.round_rows(rows, "codes")
        with self._lock:
            before = len(self)
            index, self._index = self._ready_index(threads), None  # as long as it may be half changed
            try:
                _fill(index, self.strategy, rounded, threads)
                self._store.add(rounded, ids, threads)
                self._index = index
            finally:
                if ids is not None and len(self) > before:
                    earlier = np.arange(before, dtype=np.int64) if self._ids is None else self._ids
                    self._ids = np.concatenate([earlier, ids])

    def keep(self, flags: NDArray[np.uint8], threads: int) -> None:
        """Remove the rows whose flag is zero, by filling an index anew: few FAISS indexes can remove."""
        kept = flags.view(np.bool_)
        with self._lock:
            before = len(self)
            fresh = self._engine.emptied(self._ready_index(threads))
            _fill(fresh, self.strategy, self._store.rows()[kept], threads)
            ids = (np.arange(before, dtype=np.int64) if self._ids is None else self._ids)[kept]
            try:
                self._store.keep(flags, threads)
            finally:
                if len(self) != before:
                    self._index, self._ids = fresh, ids

    def rows(self) -> NDArray[np.float32]:
        """Return a copy of all rows, as they came."""
        return self._store.rows()

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from; FAISS does not count what it looks at."""
        return {
            "strategy": self.strategy,
            "arithmetic": "fp32",
            "rows": len(self),
            "screened_dims": 0,
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
        """Find each query's k best rows, or nearly."""
        rounded = _core.round_rows(queries, "queries")
        with self._lock:
            self._queries += len(rounded)
            available = len(self) if allowed is None else int(np.count_nonzero(allowed))
            if k > available:
                raise ValueError(f"k must be from 1 to {available}, the codes left by now, received {k}")
            wanted = min(k * max(self._engine.rescore, 1), available)
            similarities, positions = self._find(rounded, wanted, k, allowed, threads)
            return self._answer(rounded, similarities, positions, k, threads, scores64)

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others, or nearly: itself is left out by its position."""
        with self._lock:
            rows = self._store.rows()
            self._queries += len(rows)
            wanted = min(k * max(self._engine.rescore, 1) + 1, len(rows))
            similarities, positions = self._find(rows, wanted, k + 1, None, threads)
            others = positions != np.arange(len(rows))[:, np.newaxis]
            others[others.all(axis=1), -1] = False
            shape = (len(rows), wanted - 1)
            similarities, positions = similarities[others].reshape(shape), positions[others].reshape(shape)
            return self._answer(rows, similarities, positions, k, threads, scores64)

    def _find(
        self,
        rows: NDArray[np.float32],
        wanted: int,
        needed: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find `wanted` neighbours of each row, or at least as many as are needed and -1 for the others."""
        index = self._ready_index(threads)
        parameters = None if allowed is None else self._selecting(index, allowed)
        with _translated(f"search {self.strategy!r} for {wanted} neighbours"), _threads(threads):
            similarities, positions = index.search(_unit(rows), wanted, params=parameters)
        short = np.flatnonzero((positions >= 0).sum(axis=1) < needed)
        if len(short) > 0:
            exact = self._store.search(rows[short], wanted, allowed, threads, False)
            similarities[short], positions[short] = exact[0], exact[1]
        return similarities, positions

    def _selecting(self, index: Any, allowed: NDArray[np.uint8]) -> Any:
        """Return FAISS's parameters for a search among allowed rows; they must name all others again."""
        faiss = import_faiss(self._engine.gpu)
        index = faiss.downcast_index(index)
        chosen = faiss.IDSelectorBatch(np.flatnonzero(allowed).astype(np.int64))
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe, max_codes=index.max_codes)
        if isinstance(index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=index.hnsw.efSearch)
        if isinstance(index, faiss.IndexFlat):
            return faiss.SearchParameters(sel=chosen)
        raise FaissRequestError(
            f"the engine {self._engine.name!r} cannot search {self.strategy!r} among allowed codes only; use "
            "a flat, IVF or HNSW index of engine 'faiss', or engine='cpu'"
        )

    def _answer(
        self,
        queries: NDArray[np.float32],
        similarities: NDArray[np.float32],
        positions: NDArray[np.int64],
        k: int,
        threads: int,
        scores64: bool,
    ) -> Answer:
        if self._engine.rescore:
            exact = self._store.score(queries, np.ascontiguousarray(positions), k, threads)
            return exact if scores64 else (*exact[:3], None)
        similarities, positions = similarities[:, :k], np.ascontiguousarray(positions[:, :k])
        similarities = np.clip(similarities, -1, 1) + np.float32(0)
        ids = positions.copy() if self._ids is None else self._ids[positions]
        return similarities, positions, ids, similarities.astype(np.float64) if scores64 else None

    def _ready_index(self, threads: int) -> Any:
        """Return the index, made again where a change of it was broken off."""
        if self._index is None:
            index = self._engine.make_index(self.dim)
            _fill(index, self.strategy, self._store.rows(), threads)
            self._index = index
        return self._index


def import_faiss(gpu: bool = False) -> ModuleType:
    """Return FAISS; ImportError or RuntimeError, saying what to do, where it or a GPU is missing."""
    try:
        import faiss
    except ImportError as error:
        extra = "faiss-gpu" if gpu else "faiss"
        raise ImportError(f"FAISS is not installed: pip install 'latentknn[{extra}]'") from error
    if gpu and not hasattr(faiss, "StandardGpuResources"):
        raise ImportError(
            "the FAISS that is installed has no CUDA: pip uninstall faiss-cpu, then "
            "pip install 'latentknn[faiss-gpu]'"
        )
    if gpu and faiss.get_num_gpus() == 0:
        raise RuntimeError("FAISS finds no GPU")
    return faiss


def _fill(index: Any, factory: str, rows: NDArray[np.float32], threads: int) -> None:
    """Add rows to an index, after training it on them where it wants that."""
    if len(rows) == 0:
        return
    units = _unit(rows)
    with _translated(f"make {factory!r} of {len(rows)} codes"), _threads(threads):
        if not index.is_trained:
            index.train(units)
        index.add(units)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn FAISS's errors into ours, without the place in its source."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).rsplit("Error: ", 1)[-1].strip()
        if "memory" in reason.lower():
            raise MemoryError(f"FAISS has not the memory to {what}: {reason}") from error
        raise FaissRequestError(f"FAISS cannot {what}: {reason}") from error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let FAISS use so many threads; the number is put back, because OpenMP keeps one for all its users."""
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1, in float64; zero rows stay, and so have similarity 0 to everything."""
    units = np.empty(rows.shape, np.float32)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        wide = rows[begin : begin + _ROWS_AT_ONCE].astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, np.newaxis]
        units[begin : begin + _ROWS_AT_ONCE] = wide / np.where(norms == 0, 1, norms)
    return units


FAISS = MappingProxyType({"faiss": FaissEngine(), "faiss-gpu": FaissEngine(gpu=True)})
"""The engines that go by a name alone."""
