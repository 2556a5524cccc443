"""Similarities to search ranges of, and what is to be found within them."""

from __future__ import annotations

import numpy as np

import latentknn as lk
import reference

QUERIES = 40


def thresholds_of(scores: np.ndarray, seed: int) -> np.ndarray:
    """Return a similarity for each query: a code's, a little more or less, or an end of the range."""
    rng = np.random.default_rng(seed)
    ranks = rng.integers(scores.shape[1], size=len(scores))
    thresholds = np.sort(scores, axis=1)[np.arange(len(scores)), ranks]
    for moved, towards in ((1, -2.0), (2, 2.0)):
        chosen = rng.integers(4, size=len(scores)) == moved
        thresholds[chosen] = np.nextafter(thresholds[chosen], towards)
    at_ends = rng.random(len(scores)) < 0.2
    thresholds[at_ends] = rng.choice((-1.0, 0.0, 1.0), at_ends.sum())
    return np.clip(thresholds, -1.0, 1.0)


def assert_same_ranges(
    result: lk.index.RadiusResult, expected: reference.Ranges | lk.index.RadiusResult
) -> None:
    """Assert that every array of a result has the dtype, the shape and the bytes of what is expected."""
    for name in reference.Ranges._fields:
        got, wanted = getattr(result, name), getattr(expected, name)
        assert got.dtype == wanted.dtype, name
        assert got.shape == wanted.shape, name
        assert got.tobytes() == wanted.tobytes(), name


def assert_finds_what_the_reference_finds(index, queries, scores, thresholds, *, ids=None, allowed=None):
    for sort in (True, False):
        expected = reference.in_range(scores, thresholds, ids=ids, allowed=allowed, sort=sort)
        found = index.search_radius(queries, thresholds, allowed=allowed, sort=sort, scores64=True)
        assert_same_ranges(found, expected)
    counts = index.count_within(queries, thresholds, allowed=allowed)
    assert counts.dtype == np.int64
    assert np.array_equal(counts, np.diff(expected.indptr))


def all_pairs(index: lk.CosineIndex, similarity: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    blocks = list(index.pairs_above(similarity))
    assert all(len(block) > 0 for block in blocks)
    return (
        np.concatenate([np.empty((0, 2), np.int64), *(block.positions for block in blocks)]),
        np.concatenate([np.empty((0, 2), np.int64), *(block.ids for block in blocks)]),
        np.concatenate([np.empty(0, np.float32), *(block.similarities for block in blocks)]),
    )


def assert_pairs_are_those_of_the_reference(index, codes, ids, similarity) -> None:
    positions, pair_ids, similarities = reference.pairs(codes, similarity, ids=ids)
    found = all_pairs(index, similarity)
    for got, wanted in zip(found, (positions, pair_ids, similarities), strict=True):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        assert got.tobytes() == wanted.tobytes()
