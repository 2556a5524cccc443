"""The exactness contract as slow, simple NumPy code.

Every engine, kernel and strategy is compared with these functions byte for byte. Arrays hold many rows at
once, but each number is computed by the operations of the contract in the order of the contract.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LANES = 8


class Answer(NamedTuple):
    """The answer of a search. Every array has one row per query and one column per neighbour."""

    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64]


def rounded(codes: ArrayLike) -> NDArray[np.float32]:
    """Return codes as C-ordered float32, each value rounded once."""
    return np.array(codes, dtype=np.float32, order="C")


def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return S(a, b) along the last axis; the other axes broadcast."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    partial = np.zeros((LANES, *np.broadcast_shapes(a.shape[:-1], b.shape[:-1])))
    for j in range(a.shape[-1]):
        partial[j % LANES] += a[..., j] * b[..., j]
    for width in (4, 2, 1):
        partial[:width] += partial[width : 2 * width]
    return partial[0]


def scores(codes: ArrayLike, queries: ArrayLike) -> NDArray[np.float64]:
    """Return s of every query (rows) with every code (columns)."""
    codes, queries = rounded(codes), rounded(queries)
    products = dot(queries[:, None, :], codes[None, :, :])
    norms = np.sqrt(dot(queries, queries)[:, None] * dot(codes, codes)[None, :])
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.clip(cosines, -1.0, 1.0)


def best(
    scores64: NDArray[np.float64],
    k: int,
    *,
    ids: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
    at_least: ArrayLike | None = None,
    leave_self_out: bool = False,
) -> Answer:
    """Return the best k columns of every row of scores, by score descending and then id ascending.

    Scores below a row's `at_least` are left out; where fewer than k are left, -1 and minus infinity follow.
    """
    count = scores64.shape[1]
    ids = np.arange(count, dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64)
    permitted = np.arange(count) if allowed is None else np.flatnonzero(np.asarray(allowed))
    positions = np.empty((len(scores64), k), dtype=np.int64)
    for query, row in enumerate(scores64):
        candidates = permitted[permitted != query] if leave_self_out else permitted
        order = np.lexsort((ids[candidates], -row[candidates]))
        positions[query] = candidates[order[:k]]
    chosen = np.take_along_axis(scores64, positions, axis=1)
    similarities = chosen.astype(np.float32) + np.float32(0.0)  # adding +0 turns -0 into +0
    answer = Answer(similarities, ids[positions], positions, chosen)
    if at_least is not None:
        left_out = chosen < np.asarray(at_least)[:, np.newaxis]
        for array, missing in zip(answer, (-np.inf, -1, -1, -np.inf), strict=True):
            array[left_out] = missing
    return answer


def search(
    codes: ArrayLike,
    queries: ArrayLike,
    k: int,
    *,
    ids: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
    at_least: ArrayLike | None = None,
) -> Answer:
    """Return the k most similar codes of every query among the allowed codes."""
    return best(scores(codes, queries), k, ids=ids, allowed=allowed, at_least=at_least)


def search_self(codes: ArrayLike, k: int, *, ids: ArrayLike | None = None) -> Answer:
    """Return the k most similar other codes of every code; only the code's own position is left out."""
    return best(scores(codes, codes), k, ids=ids, leave_self_out=True)


def search_per_class(
    codes: ArrayLike, labels: ArrayLike, queries: ArrayLike, k: int, *, ids: ArrayLike | None = None
) -> Answer:
    """Return the k most similar codes of every class, stacked in the order of np.unique(labels).

    Queries are (M, d), or (C, M, d) with one encoding of every query per class.
    """
    labels, queries = np.asarray(labels), np.asarray(queries)
    classes = np.unique(labels)
    if queries.ndim == 2:
        queries = np.broadcast_to(queries, (len(classes), *queries.shape))
    answers = [
        search(codes, own_queries, k, ids=ids, allowed=labels == name)
        for name, own_queries in zip(classes, queries, strict=True)
    ]
    return Answer(*(np.stack(arrays) for arrays in zip(*answers, strict=True)))


class Ranges(NamedTuple):
    """The answer of a range search: what belongs to a query stands from ``indptr`` up to the next one."""

    indptr: NDArray[np.int64]
    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64]


def in_range(
    scores64: NDArray[np.float64],
    at_least: ArrayLike,
    *,
    ids: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
    sort: bool = True,
) -> Ranges:
    """Return, of every row of scores, all columns of at least a score, in the order of the contract.

    Without `sort`, columns ascend.
    """
    count = scores64.shape[1]
    ids = np.arange(count, dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64)
    permitted = np.full(count, True) if allowed is None else np.asarray(allowed)
    found = []
    for row, least in zip(scores64, np.asarray(at_least), strict=True):
        columns = np.flatnonzero(permitted & (row >= least))
        found.append(columns[np.lexsort((ids[columns], -row[columns]))] if sort else columns)
    indptr = np.cumsum([0, *map(len, found)], dtype=np.int64)
    queries = np.repeat(np.arange(len(found)), np.diff(indptr))
    positions = np.concatenate([np.empty(0, np.int64), *found])
    chosen = scores64[queries, positions]
    similarities = chosen.astype(np.float32) + np.float32(0.0)  # adding +0 turns -0 into +0
    return Ranges(indptr, similarities, ids[positions], positions, chosen)


def pairs(
    codes: ArrayLike, at_least: float, *, ids: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return positions, ids and similarities of all pairs of codes of at least a similarity, each once."""
    both = scores(codes, codes)
    both[np.tril_indices(len(both))] = -np.inf
    found = in_range(both, np.full(len(both), at_least), ids=ids)
    earlier = np.repeat(np.arange(len(both)), np.diff(found.indptr))
    known = np.asarray(ids, dtype=np.int64)
    positions = np.stack([earlier, found.positions], axis=1)
    return positions, known[positions], found.similarities
