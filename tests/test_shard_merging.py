"""One answer of many shards' answers, by those who hold nothing but answers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import cases
import latentknn as lk
from checking import assert_same_results
from latentknn.shards.asking import ALL, Asking
from latentknn.shards.merging import columns, first_ask, merge, placed
from scale import scaled

BOUNDS = (0, 250, 251, 500, 600)


@pytest.mark.parametrize("kind", cases.BUILDERS)
def test_two_rounds_of_answers_make_the_answer_of_one_index(kind):
    """Only answers are at hand here, as where shards are in other processes."""
    for seed in range(scaled(2)):
        rng = np.random.default_rng(seed)
        codes, queries = cases.build(kind, seed, 600, 30, 12)
        # Half of the cases have shards that hold most neighbours of some queries.
        codes = codes[np.argsort(codes[:, 0], kind="stable")] if seed % 2 else codes
        ids = cases.user_ids(seed, 600)
        k = int(rng.integers(1, 200))
        shards = [
            lk.CosineIndex.from_codes(codes[begin:end], ids=ids[begin:end]) for begin, end in pairwise(BOUNDS)
        ]

        def answer(number, asked, count, shards=shards):
            count = min(count, len(shards[number]))
            found = shards[number].search(asked, count, scores64=True)
            return placed(found, BOUNDS[number], False)

        asking = Asking.of_queries(queries, k)
        counts = [first_ask(k, len(shard) / 600) for shard in shards]
        answers = [answer(number, queries, count) for number, count in enumerate(counts)]
        for found in answers:
            asking.add(ALL, found)
        for number, (found, count) in enumerate(zip(answers, counts, strict=True)):
            if count < min(k, len(shards[number])):
                again = asking.may_gain(np.arange(30), columns(found, slice(-1, None)))
                longer = answer(number, queries[again], k)
                asking.add(again, columns(longer, slice(count, None)))
        expected = lk.CosineIndex.from_codes(codes, ids=ids).search(queries, k, scores64=True)
        assert_same_results(asking.found(scores64=True), expected)


def test_a_shard_is_asked_again_only_where_it_may_have_more():
    codes = np.ones((8, 2), np.float32)
    first = lk.CosineIndex.from_codes(codes[:4]).search(codes[:1], 2, scores64=True)
    second = placed(lk.CosineIndex.from_codes(codes[4:]).search(codes[:1], 2, scores64=True), 4, True)
    asking = Asking.of_queries(codes[:1], 3)
    asking.add(ALL, first)
    asking.add(ALL, second)
    assert asking.found(scores64=False).ids.tolist() == [[0, 1, 4]]
    query = np.arange(1)
    assert asking.may_gain(query, columns(first, slice(-1, None))).tolist() == [0]
    assert asking.may_gain(query, columns(second, slice(-1, None))).tolist() == []
    # What a shard gave last is the last of all: what follows it there is behind.
    asking = Asking.of_queries(codes[:1], 2)
    asking.add(ALL, first)
    assert asking.may_gain(query, columns(first, slice(-1, None))).tolist() == []


def test_answers_that_end_early_are_filled_or_end_early():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]])
    near = index.search([[1.0, 0.0]], 2, at_least=[0.5], scores64=True)
    far = placed(index.search([[0.0, 1.0]], 2, at_least=[0.5], scores64=True), 2, True)
    both = merge(near, far, 3)
    assert both.ids.tolist() == both.positions.tolist() == [[0, 3, -1]]
    assert both.scores64.tolist() == both.similarities.tolist() == [[1.0, 1.0, -np.inf]]


def test_similarities_of_minus_zero_become_zero():
    index = lk.CosineIndex.from_codes([[1e-30, 1.0, 0.0], [1e-30, 2.0, 0.0]])
    found = index.search([[-1e-30, 0.0, 1.0]], 2, scores64=True)
    assert (found.scores64 < 0).all()
    merged = merge(found, placed(found, 2, True), 2)
    assert (merged.similarities == 0).all()
    assert not np.signbit(merged.similarities).any()


def test_answers_without_float64_similarities_are_refused():
    index = lk.CosineIndex.from_codes([[1.0, 0.0]])
    found = index.search([[1.0, 0.0]], 1, scores64=True)
    with pytest.raises(ValueError, match="answers of shards need scores64=True"):
        merge(found, index.search([[1.0, 0.0]], 1), 1)
    with pytest.raises(ValueError, match="both answers must be of the same queries"):
        merge(found, index.search([[1.0, 0.0]] * 2, 1, scores64=True), 1)
