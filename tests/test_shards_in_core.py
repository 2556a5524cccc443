"""Shards that the core searches together: thresholds that one part hands to the others."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import latentknn as lk
from checking import assert_same_results
from scale import scaled

ROWS = 9000
SIZES = {
    "halves": (4500, 4500),
    "thirds and nothing": (3000, 0, 3000, 3000),
    "a large one last": (40, 1, 959, 8000),
    "a large one first": (8000, 700, 300),
}
KINDS = ("ties", "copies", "one shard has all neighbours", "noise")


def rows_of(kind, rng):
    """Return codes in which thresholds are hard on those who hand them on, and queries."""
    if kind == "ties":
        # Most similarities occur many times, in every shard.
        codes = rng.integers(-1, 2, size=(ROWS, 17)).astype(np.float32)
        return codes, codes[rng.integers(ROWS, size=40)]
    if kind == "copies":
        # More equal codes than a query has neighbours, spread over the shards.
        codes = rng.standard_normal((30, 17))[rng.integers(30, size=ROWS)].astype(np.float32)
        return codes, codes[rng.integers(ROWS, size=40)]
    if kind == "noise":
        codes = rng.standard_normal((ROWS + 40, 33)).astype(np.float32)
        return codes[:ROWS], codes[ROWS:]
    centres = rng.standard_normal((30, 33))
    cluster = np.sort(rng.integers(30, size=ROWS))
    codes = centres[cluster] + 0.2 * rng.standard_normal((ROWS, 33))
    return codes.astype(np.float32), centres.astype(np.float32)


@pytest.mark.parametrize("strategy", ["auto", "fp32", "int16", "int8", "pca", "float64"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_of_other_shards_leave_nothing_out(kind, sizes, strategy):
    for seed in range(scaled(1)):
        rng = np.random.default_rng(seed)
        codes, queries = rows_of(kind, rng)
        ids = rng.permutation(10 * ROWS)[:ROWS] if rng.random() < 0.5 or kind == "copies" else None
        settings = {"engine": "cpu", "strategy": strategy, "threads": int(rng.integers(1, 3))}
        bounds = np.cumsum([0, *SIZES[sizes]])
        shards = []
        for begin, end in pairwise(bounds):
            shard = lk.CosineIndex(codes.shape[1], **settings)
            shard.add(codes[begin:end], ids=None if ids is None else ids[begin:end])
            shards.append(shard)
        one, many = lk.CosineIndex.from_codes(codes, ids=ids, **settings), lk.shards.ShardedIndex(shards)
        for k in (1, 10, 300):
            expected = one.search(queries, k, scores64=True)
            assert_same_results(many.search(queries, k, scores64=True), expected)
            for at_least in (expected.scores64[:, -1], expected.scores64[:, 0]):
                assert_same_results(
                    many.search(queries, k, at_least=at_least, scores64=True),
                    one.search(queries, k, at_least=at_least, scores64=True),
                )
            for share in (0.9, 0.5, 0.05):
                allowed = rng.random(ROWS) < share
                assert_same_results(
                    many.search(queries, k, allowed=allowed, scores64=True),
                    one.search(queries, k, allowed=allowed, scores64=True),
                )
        assert_same_results(
            many.search(queries[:1], 20, scores64=True), one.search(queries[:1], 20, scores64=True)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_codes_do_not_find_themselves_in_their_shard_and_find_their_copies_in_others(kind):
    codes, _ = rows_of(kind, np.random.default_rng(5))
    one = lk.CosineIndex.from_codes(codes, engine="cpu")
    many = lk.shards.ShardedIndex(
        [lk.CosineIndex.from_codes(part, engine="cpu") for part in np.split(codes, [4000, 4001, 8500])]
    )
    assert_same_results(many.search_self(7, scores64=True), one.search_self(7, scores64=True))


def test_shards_with_removed_codes_and_codes_that_wait_to_be_packed_answer_as_one_index():
    rng = np.random.default_rng(2)
    codes, queries = rows_of("noise", rng)
    one, shards = lk.CosineIndex(33, engine="cpu"), []
    for part in range(3):
        shard = lk.CosineIndex(33, engine="cpu")
        for begin, end in ((0, 2900), (2900, 2990), (2990, 3000)):
            rows = slice(3000 * part + begin, 3000 * part + end)
            ids = np.arange(rows.start, rows.stop) * 7 % 100_003
            gone = ids[:: 3 + part]
            for index in (shard, one):
                index.add(codes[rows], ids=ids)
                index.remove(gone)
        shards.append(shard)
    many = lk.shards.ShardedIndex(shards)
    assert np.array_equal(many.ids, one.ids)
    for k in (1, 10, 100):
        assert_same_results(many.search(queries, k, scores64=True), one.search(queries, k, scores64=True))
    assert_same_results(many.search_self(5, scores64=True), one.search_self(5, scores64=True))


def test_searching_shards_together_leaves_them_as_they_are():
    rng = np.random.default_rng(3)
    codes, queries = rows_of("noise", rng)
    shards = [lk.CosineIndex.from_codes(part, engine="cpu") for part in np.split(codes, 2)]
    before = [shard.search(queries, 5, scores64=True) for shard in shards]
    lk.shards.ShardedIndex(shards).search(queries, 5)
    for shard, expected in zip(shards, before, strict=True):
        assert_same_results(shard.search(queries, 5, scores64=True), expected)
        shard.add(codes[:1])
        assert shard.ids[-1] == len(shard) - 1
