"""Searches of all pairs by others' kernels for such as AMX: in bfloat16, in int8, and by Intel's oneDAL.

Each is built from normalised float32 codes, as those of `peers`, which are rounded once, before anything is
timed; queries are rounded in every search, and there are whole blocks of them. What a peer needs is imported
when it is built, so that the others can do without it.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.arrays import Codes, Ids
from benchmarks.speed import peers
from benchmarks.speed.peers import Searcher

# Scores of so many queries are held at once by those that hold them: 60 MB of 32 bits beside 60,000 codes.
QUERIES_AT_ONCE = 250


class NumKong:
    """Its products of packed matrices, by several threads, and PyTorch's topk, in blocks of queries."""

    def __init__(self, codes: Codes, threads: int, kind: str) -> None:
        import numkong
        import torch

        torch.set_num_threads(threads)
        self.numkong, self.torch, self.kind, self.threads = numkong, torch, kind, threads
        self.pool = ThreadPoolExecutor(threads)
        self.packed = numkong.dots_pack(self._matrix(codes), dtype=_NUMKONG[kind])
        # All blocks have their scores in one place: fresh memory would take most of the time.
        sums = "float32" if kind == "bf16" else "int32"
        self.scores = numkong.zeros((QUERIES_AT_ONCE, len(codes)), dtype=sums)

    def search(self, queries: Codes, k: int) -> Ids:
        blocks = queries.reshape(-1, QUERIES_AT_ONCE, queries.shape[1])
        return np.concatenate([self._block(block, k) for block in blocks])

    def _block(self, queries: Codes, k: int) -> Ids:
        block, height = self._matrix(queries), len(queries)
        ends = [height * thread // self.threads for thread in range(self.threads + 1)]
        multiply = partial(self.numkong.dots_packed, block, self.packed, out=self.scores)
        parts = [
            self.pool.submit(multiply, start_row=begin, end_row=end)
            for begin, end in itertools.pairwise(ends)
        ]
        for part in parts:
            part.result()
        found: Ids = self.torch.from_numpy(np.asarray(self.scores)).topk(k).indices.numpy()
        return found

    def _matrix(self, codes: Codes) -> Any:
        return self.numkong.Tensor(_ROUNDED[self.kind](codes), dtype=_NUMKONG[self.kind])


class PyTorch:
    """Matrix product in bfloat16 and topk, in blocks of queries."""

    def __init__(self, codes: Codes, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.codes = torch.from_numpy(codes).bfloat16().T

    def search(self, queries: Codes, k: int) -> Ids:
        found = []
        with self.torch.inference_mode():
            for block in self.torch.from_numpy(queries).bfloat16().split(QUERIES_AT_ONCE):
                found.append((block @ self.codes).topk(k).indices.numpy())
        return np.concatenate(found)


class IntelScikitLearn:
    """scikit-learn's NearestNeighbors by Intel's extension, which computes in float32."""

    def __init__(self, codes: Codes, threads: int) -> None:
        from sklearnex.neighbors import NearestNeighbors

        # The extension's brute force has no cosine; among codes of length 1 this finds the same.
        self.neighbours = NearestNeighbors(algorithm="brute", metric="euclidean", n_jobs=threads).fit(codes)

    def search(self, queries: Codes, k: int) -> Ids:
        found: Ids = self.neighbours.kneighbors(queries, k, return_distance=False)
        return found


def _bfloat16(codes: Codes) -> NDArray[np.uint16]:
    """Round to the nearest, ties to even; the codes are finite."""
    bits = codes.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _int8(codes: Codes) -> NDArray[np.int8]:
    """Round multiples of one number, which makes the largest of all codes 127."""
    return np.rint(codes * (127 / np.abs(codes).max())).astype(np.int8)


_ROUNDED: dict[str, Callable[[Codes], Any]] = {"bf16": _bfloat16, "i8": _int8}
# To NumKong "i8" are integers of 8 bytes.
_NUMKONG = {"bf16": "bfloat16", "i8": "int8"}

REDUCED: dict[str, Callable[[Codes, int], Searcher]] = {
    "USearch, bfloat16": partial(peers.USearch, kind="bf16", rounded=_bfloat16),
    "USearch, int8": partial(peers.USearch, kind="i8", rounded=_int8),
    "NumKong, bfloat16": partial(NumKong, kind="bf16"),
    "NumKong, int8": partial(NumKong, kind="i8"),
    "PyTorch, bfloat16": PyTorch,
    "TensorFlow, bfloat16": partial(peers.TensorFlow, dtype="bfloat16", at_once=QUERIES_AT_ONCE),
    "scikit-learn by Intel": IntelScikitLearn,
}
