"""FAISS as an engine: flat, or any index that its factory makes, on CPU or GPU."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.database import Answer, Database, Ranges
from latentknn.engines.engine import Engine, EngineRequestError
from latentknn.engines.faiss_ranges import FlatRanges, Found, in_order, is_flat
from latentknn.engines.stored_database import StoredDatabase, check_flags, others_of

_ROWS_AT_ONCE = 8192
"""Rows that are scaled at a time, whose float64 copies stay small."""

_COUNTED_AT_ONCE = 64
"""Queries whose rows in range are counted together: FAISS finds them all."""

_parallel_process: int | None = None
"""Id of the first process in which FAISS was let use several threads."""


class FaissRequestError(EngineRequestError):
    """FAISS cannot do what it was asked for, as its message says.

    Examples
    --------
    >>> import latentknn as lk
    >>> from latentknn.engines import FaissRequestError
    >>> try:
    ...     lk.CosineIndex.from_codes([[1.0, 0.0]], engine=lk.FaissEngine("no such index"))
    ... except FaissRequestError as error:
    ...     print("no such index" in str(error))
    True
    """


@dataclass(frozen=True)
class FaissEngine(Engine):
    """How FAISS is to search; the argument ``engine`` of an index takes it.

    FAISS computes in float32, in an order of its own, and most of its indexes find most neighbours, not all:
    `CosineIndex.exact` is False, and `CosineIndex.recall` measures what is found. A query for which it finds
    fewer than k neighbours is searched for exactly, among all codes. What it trains is trained on the first
    codes that are added, and anew where an index is loaded. A forked child of a process in which it used
    several threads gives it one.

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

    Examples
    --------
    >>> import numpy as np
    >>> import latentknn as lk
    >>> codes = np.random.default_rng(0).standard_normal((1000, 8))
    >>> index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("IVF8,Flat", {"nprobe": 8}))
    >>> index.exact, index.strategy, index.recall(codes[:100], k=5)
    (False, 'IVF8,Flat', 1.0)
    """

    exact = False
    method = "searched by FAISS in float32"

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

    def kernels(self) -> str:
        """Return what FAISS says that it was compiled for."""
        return str(import_faiss(self.gpu).get_compile_options()).strip()

    def make_database(self, dim: int, strategy: str) -> Database:
        """Return an empty database of FAISS."""
        return FaissDatabase(self, dim)

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


class FaissDatabase(StoredDatabase):
    """Rows in a FAISS index; the host rescores, and answers queries for which the index finds too little.

    Parameters
    ----------
    engine : FaissEngine
    dim : int
        Dimensions of a row.
    """

    engine: FaissEngine
    arithmetic = "fp32"

    @property
    def isa(self) -> str:
        """What FAISS says that it was compiled for."""
        return self.engine.kernels()

    @property
    def strategy(self) -> str:
        """The factory string."""
        return self.engine.factory

    def _make(self) -> Any:
        return self.engine.make_index(self.dim)

    def _remake(self, engine_rows: Any, threads: int) -> Any:
        # Few FAISS indexes can remove; the new one keeps what was trained.
        fresh = self.engine.emptied(engine_rows)
        _fill(fresh, self.strategy, self._store.rows(), threads)
        return fresh

    def _empty(self) -> Any:
        return self.engine.emptied(self._engine_rows)

    def _append(
        self, engine_rows: Any, rows: NDArray[np.float32], ids: NDArray[np.int64], threads: int
    ) -> None:
        _fill(engine_rows, self.strategy, rows, threads)

    def _find(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
    ) -> Answer:
        available = len(self) if allowed is None else int(np.count_nonzero(allowed))
        wanted = min(k * max(self.engine.rescore, 1), available)
        similarities, positions = self._candidates(queries, wanted, k, allowed, threads)
        return self._best(queries, similarities, positions, k, threads, scores64)

    def _find_others(self, k: int, threads: int, scores64: bool) -> Answer:
        rows = self._store.rows()
        wanted = min(k * max(self.engine.rescore, 1) + 1, len(rows))
        similarities, positions = self._candidates(rows, wanted, k + 1, None, threads)
        others = others_of(positions, np.arange(len(rows)))
        shape = (len(rows), wanted - 1)
        return self._best(
            rows, similarities[others].reshape(shape), positions[others].reshape(shape), k, threads, scores64
        )

    def _candidates(
        self,
        rows: NDArray[np.float32],
        wanted: int,
        needed: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find `wanted` neighbours of each row, or at least as many as are needed and -1 for the others."""
        index = self._ready(threads)
        parameters = None if allowed is None else self._selecting(index, allowed)
        with _translated(f"search {self.strategy!r} for {wanted} neighbours"), _threads(threads):
            similarities, positions = index.search(_unit(rows), wanted, params=parameters)
        short = np.flatnonzero((positions >= 0).sum(axis=1) < needed)
        if len(short) > 0:
            exact = self._store.search(rows[short], wanted, allowed, threads, False)
            similarities[short], positions[short] = exact[0], exact[1]
        return similarities, positions

    def _best(
        self,
        queries: NDArray[np.float32],
        similarities: NDArray[np.float32],
        positions: NDArray[np.int64],
        k: int,
        threads: int,
        scores64: bool,
    ) -> Answer:
        scores: NDArray[np.float64] | None
        if self.engine.rescore:
            positions = np.ascontiguousarray(positions)
            similarities, positions, _, scores = self._store.score(queries, positions, k, threads)
        else:
            similarities = np.clip(similarities[:, :k], -1, 1) + np.float32(0)
            positions = np.ascontiguousarray(positions[:, :k])
            scores = similarities.astype(np.float64)
        return similarities, positions, self._known_ids()[positions], scores if scores64 else None

    def search_range(
        self,
        queries: NDArray[Any],
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
        by_similarity: bool,
        scores64: bool,
        most: int,
    ) -> Ranges:
        """Find all rows in a query's range; FaissRequestError unless the index is flat."""
        rows = self._rounded(queries)
        with self._lock:
            found = self._in_range(rows, at_least, allowed, threads, most, None)
            return in_order(found, len(rows), self._known_ids(), by_similarity, scores64)

    def count_range(
        self,
        queries: NDArray[Any],
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> NDArray[np.int64]:
        """Count the rows in a query's range; FaissRequestError unless the index is flat."""
        rows = self._rounded(queries)
        counts = np.zeros(len(rows), np.int64)
        with self._lock:
            for first in range(0, len(rows), _COUNTED_AT_ONCE):
                some = slice(first, first + _COUNTED_AT_ONCE)
                found = self._in_range(rows[some], at_least[some], allowed, threads, sys.maxsize, None)
                counts[some] = np.bincount(found.queries, minlength=len(counts[some]))
        return counts

    def search_range_behind(
        self, first: int, last: int, at_least: float, threads: int, by_similarity: bool, most: int
    ) -> Ranges:
        """Find the rows in range behind each of some; FaissRequestError unless the index is flat."""
        rows = self.rows(first, last)
        with self._lock:
            found = self._in_range(rows, np.full(len(rows), at_least), None, threads, most, first)
            return in_order(found, len(rows), self._known_ids(), by_similarity, False)

    def _in_range(
        self,
        rows: NDArray[np.float32],
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
        most: int,
        first_row: int | None,
    ) -> Found:
        check_flags(allowed, len(self))
        index = self._ready(threads)
        if self.engine.gpu or not is_flat(index):
            raise FaissRequestError(
                f"the engine {self.engine.name!r} cannot find all codes within a similarity by "
                f"{self.strategy!r}: only FAISS's flat index on the processor does; use engine='cpu'"
            )
        self._queries += len(rows)
        if len(rows) == 0:
            return Found.nothing()
        parameters = None if allowed is None else self._selecting(index, allowed)
        flat = FlatRanges(index, self._store, parameters, threads)
        with _translated(f"search {self.strategy!r} within a similarity"), _threads(threads):
            return flat.find(rows, _unit(rows), at_least, most, first_row)

    def _selecting(self, index: Any, allowed: NDArray[np.uint8]) -> Any:
        """Return FAISS's parameters for a search among allowed rows; they must name all others again."""
        faiss = import_faiss(self.engine.gpu)
        index = faiss.downcast_index(index)
        chosen = faiss.IDSelectorBatch(np.flatnonzero(allowed).astype(np.int64))
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe, max_codes=index.max_codes)
        if isinstance(index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=index.hnsw.efSearch)
        if isinstance(index, faiss.IndexFlat):
            return faiss.SearchParameters(sel=chosen)
        raise FaissRequestError(
            f"the engine {self.engine.name!r} cannot search {self.strategy!r} among allowed codes only; use "
            "a flat, IVF or HNSW index of engine 'faiss', or engine='cpu'"
        )


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
    """Let FAISS use so many threads; the number is put back, because OpenMP keeps one for all its users.

    In a child of a process that used several, it is one: OpenMP would wait for threads that are not in the
    child.
    """
    global _parallel_process
    faiss = import_faiss()
    if _parallel_process not in (None, os.getpid()):
        count = 1
    elif count > 1:
        _parallel_process = os.getpid()
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
