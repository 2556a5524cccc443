"""Rows for folders of shards, and the comparison of such a folder with one index."""

from __future__ import annotations

import numpy as np

import cases
from checking import assert_same_results

DIM = 6


def problem(count=53, seed=0):
    codes, queries = cases.build("small_integers", seed, count, 8, DIM)
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "bb", "cccc"])[rng.integers(3, size=count)]
    return codes, queries, labels, cases.user_ids(seed, count)


def assert_answers_as(index, one, queries):
    assert len(index) == len(one)
    for k in {1, 7, len(one)}:
        assert_same_results(index.search(queries, k, scores64=True), one.search(queries, k, scores64=True))
    allowed = np.arange(len(one)) % 3 == 1
    assert_same_results(
        index.search(queries, 5, allowed=allowed, scores64=True),
        one.search(queries, 5, allowed=allowed, scores64=True),
    )
    assert_same_results(index.search_self(4, scores64=True), one.search_self(4, scores64=True))
    assert index.ids.tobytes() == one.ids.tobytes()
    assert np.array_equal(index.codes, one.codes)
    if one.labels is None:
        assert index.labels is None
        return
    assert index.labels.tolist() == one.labels.tolist()
    assert index.classes.tolist() == one.classes.tolist()
    assert_same_results(
        index.search_per_class(queries, 3, scores64=True), one.search_per_class(queries, 3, scores64=True)
    )
