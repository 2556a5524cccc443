"""Range searches among the codes that a query may find."""

from __future__ import annotations

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from range_cases import QUERIES, assert_same_ranges, thresholds_of


@pytest.mark.parametrize("engine", ["cpu", "cuda", "faiss"])
def test_each_query_finds_the_codes_that_it_may_find(engine, cuda_or_emulated):
    if engine == "faiss":
        pytest.importorskip("faiss")
    codes, queries = cases.build("duplicates", 2, 900, QUERIES, 16)
    scores = reference.scores(codes, queries)
    ids = cases.user_ids(6, 900)
    thresholds = thresholds_of(scores, 5)
    rng = np.random.default_rng(3)
    persons, asking = rng.integers(7, size=900), rng.integers(9, size=QUERIES)
    masks = rng.random((QUERIES, 900)) < rng.random((QUERIES, 1)) * 1.2 - 0.1
    masks[1] = masks[0]
    own = persons == asking[:, np.newaxis]
    some = rng.permutation(900)[:300]
    index = lk.CosineIndex.from_codes(codes, labels=persons, ids=ids, engine=engine, threads=2)
    for allowed, found_by in (
        (masks, masks),
        (lk.Groups(asking), own),
        (lk.Groups(asking, others=True), ~own),
        (lk.Groups(asking % 3, rows=persons % 3), persons % 3 == asking[:, np.newaxis] % 3),
        (ids[some], np.isin(np.arange(900), some)),
        ([], False),
        (np.zeros((QUERIES, 900), bool), False),
    ):
        among = np.where(found_by, scores, -np.inf)
        for sort in (True, False):
            result = index.search_radius(queries, thresholds, allowed=allowed, sort=sort, scores64=True)
            expected = reference.in_range(among, thresholds, ids=ids, sort=sort)
            assert_same_ranges(result, expected)
        counts = index.count_within(queries, thresholds, allowed=allowed)
        assert counts.tolist() == np.diff(expected.indptr).tolist()


def test_filters_do_not_raise_the_bound_of_results():
    codes, queries = cases.build("gaussian", 2, 900, QUERIES, 8)
    masks = np.random.default_rng(0).random((QUERIES, 900)) < 0.5
    index = lk.CosineIndex.from_codes(codes)
    total = int(index.count_within(queries, 0.1, allowed=masks).sum())
    assert len(index.search_radius(queries, 0.1, allowed=masks, max_results=total).ids) == total
    with pytest.raises(ValueError, match=f"{total:,} codes are within"):
        index.search_radius(queries, 0.1, allowed=masks, max_results=total - 1)


def test_filters_that_do_not_fit_are_refused():
    index = lk.CosineIndex.from_codes(np.eye(3), ids=[5, 6, 7])
    for ask in (index.search_radius, index.count_within):
        with pytest.raises(ValueError, match=r"shape \(2, 3\), a flag for each query and code"):
            ask(np.eye(3)[:2], 0.5, allowed=np.ones((3, 3), bool))
        with pytest.raises(ValueError, match="id 9 in allowed is not in the index"):
            ask(np.eye(3), 0.5, allowed=[5, 9])
        with pytest.raises(TypeError, match="allowed must be a boolean mask, ids of shape"):
            ask(np.eye(3), 0.5, allowed=[0.5])
        with pytest.raises(ValueError, match="row 1 of the queries"):
            ask([[1, 0, 0], [np.nan, 0, 0]], 0.5, allowed=np.ones((2, 3), bool))
