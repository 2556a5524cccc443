"""The other ways to search, each as its own users would call it.

Every peer takes normalised float32 codes, so that an inner product is the cosine: the work of normalising
is not charged to it.
"""

import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks.harness.arrays import Codes, Ids
from benchmarks.harness.machine import flags
from benchmarks.speed import names

# TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The OpenBLAS in FAISS's wheel does not know today's processors. It takes SSE kernels there, or, on Zen 4,
# kernels that are 1.5 times slower than these.
os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX" if "avx512f" in flags() else "Haswell")

import faiss
import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from usearch.index import MetricKind
from usearch.index import search as usearch_search

import latentknn as lk

# Peers that hold all scores of a block of queries hold at most so many: 256 MB of float32.
_SCORES_AT_ONCE = 64_000_000


class Searcher(Protocol):
    """Built from codes, searched in batches."""

    def search(self, queries: Codes, k: int) -> Ids: ...


class Latentknn:
    def __init__(self, codes: Codes, threads: int, strategy: str = "auto") -> None:
        self.index = lk.CosineIndex.from_codes(codes, threads=threads, strategy=strategy)

    def search(self, queries: Codes, k: int) -> Ids:
        return self.index.search(queries, k).ids


class Faiss:
    def __init__(self, codes: Codes, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self.index = faiss.IndexFlatIP(codes.shape[1])
        self.index.add(codes)

    def search(self, queries: Codes, k: int) -> Ids:
        return self.index.search(queries, k)[1]


class ScikitLearn:
    def __init__(self, codes: Codes, threads: int) -> None:
        self.neighbours = NearestNeighbors(algorithm="brute", metric="cosine", n_jobs=threads).fit(codes)

    def search(self, queries: Codes, k: int) -> Ids:
        return self.neighbours.kneighbors(queries, k, return_distance=False)


class NumPy:
    """Matrix product and argpartition, in blocks of queries."""

    def __init__(self, codes: Codes, threads: int) -> None:
        self.codes = codes

    def search(self, queries: Codes, k: int) -> Ids:
        block = max(1, _SCORES_AT_ONCE // len(self.codes))
        return np.concatenate([self._block(queries[i : i + block], k) for i in range(0, len(queries), block)])

    def _block(self, queries: Codes, k: int) -> Ids:
        scores = queries @ self.codes.T
        if k == 1:
            return scores.argmax(axis=1)[:, None]
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1)


class TensorFlow:
    """Matrix product and top_k, in blocks of at most so many queries."""

    def __init__(self, codes: Codes, threads: int, dtype: str = "float32", at_once: int = 1000) -> None:
        import tensorflow as tf

        self.tf, self.at_once = tf, at_once
        self.codes = tf.cast(codes, dtype)

    def search(self, queries: Codes, k: int) -> Ids:
        found = []
        block = max(1, min(self.at_once, _SCORES_AT_ONCE // self.codes.shape[0]))
        for start in range(0, len(queries), block):
            some = self.tf.cast(queries[start : start + block], self.codes.dtype)
            scores = self.tf.matmul(some, self.codes, transpose_b=True)
            found.append(self.tf.math.top_k(scores, k=k).indices.numpy())
        return np.concatenate(found)


class USearch:
    """Its exact search, which needs no index, of codes as `rounded` makes them, of a `kind` of USearch."""

    def __init__(
        self,
        codes: Codes,
        threads: int,
        kind: str = "f32",
        rounded: Callable[[Codes], NDArray[Any]] = lambda codes: codes,
    ) -> None:
        self.codes, self.rounded = rounded(codes), rounded
        self.find = partial(usearch_search, metric=MetricKind.IP, exact=True, threads=threads, dtype=kind)

    def search(self, queries: Codes, k: int) -> Ids:
        return np.atleast_2d(self.find(self.codes, self.rounded(queries), k).keys).astype(np.int64)


def limit_threads(threads: int, names: Collection[str]) -> None:
    """Set the threads of the libraries that take no number; must come before TensorFlow's first operation."""
    if "TensorFlow" in names:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    # The limit is set once, because setting it for each search would take milliseconds.
    threadpoolctl.threadpool_limits(threads)


def faiss_build() -> str:
    """Return what FAISS was built for."""
    return str(faiss.get_compile_options()).strip()


def blas_kernels() -> dict[str, str]:
    """Return which kernels every BLAS took that is loaded, by the package that brought it."""
    return {
        Path(library["filepath"]).parent.name.removesuffix(".libs"): f"{library['internal_api']} "
        f"{library['version']} {library['architecture']}"
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    }


PEERS: dict[str, Callable[[Codes, int], Searcher]] = dict(
    zip(names.PEERS, (Faiss, ScikitLearn, NumPy, TensorFlow, USearch), strict=True)
)
ENGINES = PEERS | {names.OWN_FP32: partial(Latentknn, strategy="fp32")}
