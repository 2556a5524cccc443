"""FAISS as an engine: flat, or any index that its factory makes, on CPU or GPU."""

from __future__ import annotations

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


@dataclass(frozen=True)
class FaissEngine:
    """How FAISS is to search; the argument ``engine`` of an index takes it.

    FAISS computes in float32, in an order of its own, and most of its indexes find most neighbours, not all:
    `CosineIndex.exact` is False, and `CosineIndex.recall` measures what is found.

    Parameters
    ----------
    factory : str
        What ``faiss.index_factory`` makes the index from, such as "Flat", "HNSW32", "IVF1024,Flat" or
        "IVF1024,PQ16". It is trained on the codes that are added first.
    parameters : mapping of str to number
        Search parameters as FAISS names them, such as ``{"nprobe": 16}`` or ``{"efSearch": 64}``.
    rescore : int
        How many times k candidates FAISS is asked for, of which the best k by the exact similarity are
        returned; 0: its own similarities and order stand.
    gpu : bool
        Whether the index is moved to all GPUs; needs a FAISS with CUDA.

    Raises
    ------
    ValueError
        If ``rescore`` is negative.

    References
    ----------
    M. Douze et al., "The Faiss library", 2024.
    """

    factory: str = "Flat"
    parameters: Mapping[str, float] = field(default_factory=dict)
    rescore: int = 0
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.rescore < 0:
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
        try:
            index = faiss.index_factory(dim, self.factory, faiss.METRIC_INNER_PRODUCT)
            if self.gpu:
                index = faiss.index_cpu_to_all_gpus(index)
            space = faiss.GpuParameterSpace() if self.gpu else faiss.ParameterSpace()
            for name, value in self.parameters.items():
                space.set_index_parameter(index, name, value)
        except RuntimeError as error:
            raise ValueError(
                f"FAISS makes no index of {dim} dimensions from {self.factory!r} with "
                f"{dict(self.parameters)}: {_reason(error)}"
            ) from error
        return index


class FaissDatabase:
    """Rows in a FAISS index, and beside it as they came, for rescoring, saving and rebuilding.

    Parameters
    ----------
    engine : FaissEngine
    dim : int
        Dimensions of a row.
    """

    def __init__(self, engine: FaissEngine, dim: int) -> None:
        self._engine = engine
        self._index = engine.make_index(dim)
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
            try:
                self._fill(self._index, rounded, threads)
                self._store.add(rounded, ids, threads)
            except BaseException:
                if len(self) == before:
                    self._index = self._rebuilt(self._store.rows(), threads)
                raise
            finally:
                if ids is not None and len(self) > before:
                    earlier = np.arange(before, dtype=np.int64) if self._ids is None else self._ids
                    self._ids = np.concatenate([earlier, ids])

    def keep(self, flags: NDArray[np.uint8], threads: int) -> None:
        """Remove the rows whose flag is zero, by building the index anew: few FAISS indexes can remove."""
        kept = flags.view(np.bool_)
        with self._lock:
            index = self._rebuilt(self._store.rows()[kept], threads)
            ids = np.arange(len(self), dtype=np.int64) if self._ids is None else self._ids
            self._store.keep(flags, threads)
            self._index, self._ids = index, ids[kept]

    def rows(self) -> NDArray[np.float32]:
        """Return a copy of all rows, as they came."""
        return self._store.rows()

    def explain(self) -> dict[str, Any]:
        """Return what ``Explanation`` is made from."""
        return {
            "strategy": self.strategy,
            "arithmetic": "fp32",
            "rows": len(self),
            "screened_dims": self.dim,
            "unscreened_rows": 0,
            "considered": [],
            "queries": self._queries,
            "screened_rows": 0,
            "scored_rows": 0,
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
            wanted = min(k * max(self._engine.rescore, 1), available)
            similarities, positions = self._find(rounded, wanted, allowed, threads)
            return self._answer(rounded, similarities, positions, k, threads, scores64)

    def search_self(self, k: int, threads: int, scores64: bool) -> Answer:
        """Find each row's k best others, or nearly: itself is left out by its position."""
        with self._lock:
            rows = self._store.rows()
            self._queries += len(rows)
            wanted = min(k * max(self._engine.rescore, 1) + 1, len(rows))
            similarities, positions = self._find(rows, wanted, None, threads)
            others = positions != np.arange(len(rows))[:, np.newaxis]
            others[others.all(axis=1), -1] = False
            shape = (len(rows), wanted - 1)
            similarities, positions = similarities[others].reshape(shape), positions[others].reshape(shape)
            return self._answer(rows, similarities, positions, k, threads, scores64)

    def _find(
        self, rows: NDArray[np.float32], wanted: int, allowed: NDArray[np.uint8] | None, threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        parameters = None if allowed is None else self._selecting(allowed)
        with _threads(threads):
            found: tuple[NDArray[np.float32], NDArray[np.int64]] = self._index.search(
                _unit(rows), wanted, params=parameters
            )
        return found

    def _selecting(self, allowed: NDArray[np.uint8]) -> Any:
        """Return FAISS's parameters for a search among allowed rows; they must name all others again."""
        faiss = import_faiss(self._engine.gpu)
        index = faiss.downcast_index(self._index)
        chosen = faiss.IDSelectorBatch(np.flatnonzero(allowed).astype(np.int64))
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=chosen, nprobe=index.nprobe)
        if isinstance(index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=index.hnsw.efSearch)
        if isinstance(index, faiss.IndexFlat):
            return faiss.SearchParameters(sel=chosen)
        raise ValueError(
            f"the FAISS index {self.strategy!r} cannot search among allowed codes only; use a flat, IVF or "
            "HNSW index, or engine='cpu'"
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
        found = (positions >= 0).sum(axis=1)
        if len(found) > 0 and found.min() < k:
            query = int(found.argmin())
            raise ValueError(
                f"FAISS found {found[query]} of {k} neighbours of query {query}: ask for fewer, or give a "
                f"search parameter (nprobe, efSearch) a higher value than in {dict(self._engine.parameters)}"
            )
        if self._engine.rescore:
            exact = self._store.score(queries, np.ascontiguousarray(positions), k, threads)
            return exact if scores64 else (*exact[:3], None)
        similarities, positions = similarities[:, :k], np.ascontiguousarray(positions[:, :k])
        similarities = np.clip(similarities, -1, 1) + np.float32(0)
        ids = positions.copy() if self._ids is None else self._ids[positions]
        return similarities, positions, ids, similarities.astype(np.float64) if scores64 else None

    def _rebuilt(self, rows: NDArray[np.float32], threads: int) -> Any:
        index = self._engine.make_index(self.dim)
        self._fill(index, rows, threads)
        return index

    def _fill(self, index: Any, rows: NDArray[np.float32], threads: int) -> None:
        if len(rows) == 0:
            return
        units = _unit(rows)
        with _threads(threads):
            try:
                if not index.is_trained:
                    index.train(units)
                index.add(units)
            except RuntimeError as error:
                raise ValueError(
                    f"FAISS cannot make {self.strategy!r} of {len(rows)} codes: {_reason(error)}"
                ) from error


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
    return faiss  # type: ignore[no-any-return]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let FAISS use so many threads; the number is the process's, so it is put back."""
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1, in float64; zero rows stay, and so have similarity 0 to everything."""
    wide = rows.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, np.newaxis]
    return np.ascontiguousarray(wide / np.where(norms == 0, 1, norms), dtype=np.float32)


def _reason(error: RuntimeError) -> str:
    """Return what FAISS says without the place in its source."""
    return str(error).rsplit("Error: ", 1)[-1].strip()


FAISS = MappingProxyType({"faiss": FaissEngine(), "faiss-gpu": FaissEngine(gpu=True)})
"""The engines that go by a name alone."""
