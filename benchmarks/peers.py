"""The other ways to search, each as its own users would call it.

Every peer takes normalised float32 codes, so that an inner product is the cosine: the work of normalising
is not charged to it.
"""

from typing import Protocol

import faiss
import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

import latentknn as lk

Codes = NDArray[np.float32]
Ids = NDArray[np.integer]


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
    """Matrix product and argpartition, in blocks of queries whose scores take 256 MB."""

    def __init__(self, codes: Codes, threads: int) -> None:
        self.codes = codes
        self.threads = threads

    def search(self, queries: Codes, k: int) -> Ids:
        block = max(1, 64_000_000 // len(self.codes))
        with threadpoolctl.threadpool_limits(self.threads):
            return np.concatenate(
                [self._block(queries[i : i + block], k) for i in range(0, len(queries), block)]
            )

    def _block(self, queries: Codes, k: int) -> Ids:
        scores = queries @ self.codes.T
        if k == 1:
            return scores.argmax(axis=1)[:, None]
        best = np.argpartition(scores, -k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1)


class TensorFlow:
    """Matrix product and top_k, in blocks of 1,000 queries."""

    def __init__(self, codes: Codes, threads: int) -> None:
        import tensorflow as tf

        self.tf = tf
        self.codes = tf.constant(codes)

    def search(self, queries: Codes, k: int) -> Ids:
        found = []
        for start in range(0, len(queries), 1000):
            scores = self.tf.matmul(queries[start : start + 1000], self.codes, transpose_b=True)
            found.append(self.tf.math.top_k(scores, k=k).indices.numpy())
        return np.concatenate(found)


def limit_tensorflow(threads: int) -> None:
    """Set TensorFlow's thread pools; must come before its first operation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


PEERS = {"FAISS": Faiss, "scikit-learn": ScikitLearn, "NumPy": NumPy, "TensorFlow": TensorFlow}
