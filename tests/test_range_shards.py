"""Range searches of shards: in the core together, and one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from range_cases import (
    QUERIES,
    assert_finds_what_the_reference_finds,
    assert_pairs_are_those_of_the_reference,
    thresholds_of,
)
from test_sharded_index import Elsewhere


@pytest.mark.parametrize("own_ids", [True, False])
def test_shards_find_what_one_index_finds(own_ids):
    codes, queries = cases.build("duplicates", 3, 3000, QUERIES, 8)
    ids = cases.user_ids(4, 3000) if own_ids else np.arange(3000)
    cuts = (0, 1200, 1200, 1900, 3000)
    shards = [
        lk.CosineIndex.from_codes(codes[first:last], ids=ids[first:last] if own_ids else None, engine="cpu")
        if last > first
        else lk.CosineIndex(8, engine="cpu")
        for first, last in pairwise(cuts)
    ]
    index = lk.shards.ShardedIndex(shards)
    scores = reference.scores(codes, queries)
    allowed = np.random.default_rng(1).random(3000) < 0.5
    for seed in range(2):
        thresholds = thresholds_of(scores, seed)
        assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids)
        assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids, allowed=allowed)
    assert_pairs_are_those_of_the_reference(index, codes, ids, 0.9)


@pytest.mark.parametrize("own_ids", [True, False])
def test_shards_that_do_not_stay_in_memory_find_what_one_index_finds(tmp_path, own_ids):
    codes, queries = cases.build("duplicates", 3, 4000, QUERIES, 8)
    ids = cases.user_ids(4, 4000) if own_ids else np.arange(4000)
    with lk.shards.Writer(tmp_path, 8, 1500) as writer:
        writer.add(codes, ids=ids if own_ids else None)
    index = lk.shards.open(tmp_path, mmap=True, memory=350_000)
    scores = reference.scores(codes, queries)
    allowed = np.random.default_rng(1).random(4000) < 0.5
    # No code of the first shard.
    allowed[:1500] = False
    thresholds = thresholds_of(scores, 0)
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids)
    assert_finds_what_the_reference_finds(index, queries, scores, thresholds, ids=ids, allowed=allowed)
    assert index.search_radius(queries[:0], 0.5).indptr.tolist() == [0]
    count = int(index.count_within(queries, thresholds).sum())
    for most in (count - 1, 1):
        with pytest.raises(
            ValueError, match=f"^{count:,} codes .* the {QUERIES} queries.*max_results={most:,}"
        ):
            index.search_radius(queries, thresholds, max_results=most)
    found = index.search_radius(queries, thresholds, max_results=count)
    assert (len(found.ids), found.scores64) == (count, None)
    with pytest.raises(RuntimeError, match="open them without mmap=True and with engine='cpu'"):
        index.pairs_above(0.3)


def test_shards_without_range_searches_are_named():
    index = lk.shards.ShardedIndex([Elsewhere(lk.CosineIndex.from_codes(np.eye(3)))])
    for ask in (index.search_radius, index.count_within):
        with pytest.raises(RuntimeError, match="Elsewhere, which searches no ranges"):
            ask(np.eye(3), 0.5)
