"""Searches for neighbours of at least some similarity."""

from __future__ import annotations

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes, assert_same_results
from engine_problem import build_problem
from latentknn import _core

ENDS = (-np.inf, -1.0, 0.0, 1.0)


def lowest_similarities(scores: np.ndarray, seed: int) -> np.ndarray:
    """Return a similarity for each query: a code's, a little more or less, or an end of the range."""
    rng = np.random.default_rng(seed)
    of_codes = np.sort(scores, axis=1)[:, ::-1]
    ranks = rng.integers(min(40, of_codes.shape[1]), size=len(scores))
    lowest = of_codes[np.arange(len(scores)), ranks]
    for moved, towards in ((1, -2.0), (2, 2.0)):
        chosen = rng.integers(4, size=len(scores)) == moved
        lowest[chosen] = np.nextafter(lowest[chosen], towards)
    at_ends = rng.random(len(scores)) < 0.2
    lowest[at_ends] = rng.choice(ENDS, at_ends.sum())
    return np.minimum(lowest, 1.0)


def assert_equals_reference(kind: str, strategies: list[str]) -> None:
    codes, queries = cases.build(kind, 7, 700, 40, 24)
    scores = reference.scores(codes, queries)
    lowest = lowest_similarities(scores, 1)
    ids = cases.user_ids(3, 700)
    expected = {k: reference.best(scores, k, ids=ids, at_least=lowest) for k in (1, 10, 100)}
    for strategy in strategies:
        index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy, threads=2)
        for k, answer in expected.items():
            assert_same_bytes(index.search(queries, k, at_least=lowest, scores64=True), answer)


@pytest.mark.parametrize("kind", cases.BUILDERS)
def test_equals_the_reference(kind):
    assert_equals_reference(kind, _core.strategy_names())


def test_equals_the_reference_on_every_instruction_set(isa, strategy):
    assert_equals_reference("mixture", [strategy])


def test_equals_the_reference_where_tasks_share_the_rows(strategy):
    codes, queries = cases.build("mixture", 5, 30_000, 3, 32)
    scores = reference.scores(codes, queries)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=4)
    for seed in range(5):
        lowest = lowest_similarities(scores, seed)
        expected = reference.best(scores, 20, at_least=lowest)
        assert_same_bytes(index.search(queries, 20, at_least=lowest, scores64=True), expected)


def test_equals_the_reference_among_allowed_codes():
    codes, queries = cases.build("signs", 2, 3000, 50, 16)
    scores = reference.scores(codes, queries)
    lowest = lowest_similarities(scores, 2)
    for share in (0.05, 0.9):
        allowed = np.random.default_rng(0).random(3000) < share
        expected = reference.best(scores, 10, allowed=allowed, at_least=lowest)
        found = lk.CosineIndex.from_codes(codes).search(
            queries, 10, allowed=allowed, at_least=lowest, scores64=True
        )
        assert_same_bytes(found, expected)


def test_every_part_of_a_changed_index_leaves_out_the_same_codes():
    """The answers of so many queries, each of so many neighbours, are merged in several batches."""
    codes, queries = cases.build("duplicates", 3, 4000, 2500, 8)
    ids = cases.user_ids(1, 4000)
    changed = lk.CosineIndex.from_codes(codes[:3000], ids=ids[:3000], threads=2)
    changed.add(codes[3000:3900], ids=ids[3000:3900])
    changed.add(codes[3900:], ids=ids[3900:])
    left = np.arange(4000) % 7 > 0
    changed.remove(ids[~left])
    one = lk.CosineIndex.from_codes(codes[left], ids=ids[left], threads=2)
    lowest = np.random.default_rng(0).uniform(-1, 1, len(queries))
    for k in (5, 1000):
        found = changed.search(queries, k, at_least=lowest, scores64=True)
        assert_same_results(found, one.search(queries, k, at_least=lowest, scores64=True))
        ends = (found.ids == -1).any(axis=1)
        assert ends.any()
        assert not ends.all()


def test_other_engines_leave_the_same_codes_out(cuda_or_emulated):
    codes, _, queries = build_problem()
    scores = reference.scores(codes, queries)
    # The engine "faiss" orders by float32, so that no similarity may be near the lowest that is wanted.
    order = np.sort(scores, axis=1)[:, ::-1]
    lowest = (order[:, 3] + order[:, 4]) / 2
    expected = reference.best(scores, 10, at_least=lowest)
    for engine in ("cuda", "faiss"):
        index = lk.CosineIndex.from_codes(codes, engine=engine)
        found = index.search(queries, 10, at_least=lowest)
        assert found.scores64 is None
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.positions, expected.positions)
        assert (found.similarities[:, 4:] == -np.inf).all()
        assert (found.ids[:, :4] >= 0).all()


def test_a_similarity_that_is_known_spares_work():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, 16))
    codes = centres[rng.integers(50, size=20_000)] + 0.1 * rng.standard_normal((20_000, 16))
    plain, spared = (lk.CosineIndex.from_codes(codes, engine="cpu") for _ in range(2))
    queries = codes[:100] + 0.05
    known = plain.search(queries, 100, scores64=True).scores64[:, -1]
    spared.search(queries, 100, at_least=known)
    assert spared.explain().screened_per_query < plain.explain().screened_per_query
    assert spared.explain().candidates_per_query < plain.explain().candidates_per_query


@pytest.mark.parametrize(
    ("lowest", "error", "message"),
    [
        ([0.5], ValueError, r"at_least must have shape \(2,\), one a query, received shape \(1,\)"),
        (0.5, ValueError, r"received shape \(\)"),
        ([0.5, np.nan], ValueError, "at most 1, as similarities are, received nan for query 1"),
        ([1.5, 0.0], ValueError, "received 1.5 for query 0"),
        (["a", "b"], TypeError, "at_least must be real numbers, received dtype <U1"),
        ([1j, 0], TypeError, "received dtype complex128"),
    ],
)
def test_what_is_no_similarity_is_refused(lowest, error, message):
    index = lk.CosineIndex.from_codes(np.eye(3))
    with pytest.raises(error, match=message):
        index.search(np.eye(3)[:2], 1, at_least=lowest)
