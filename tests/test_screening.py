"""Codes that mislead a screen. Every strategy and kernel must still give the bytes of the reference."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import latentknn as lk
import reference
from checking import assert_same_bytes

CODES, QUERIES, DIM = 7000, 40, 48  # enough codes for a choice of screen, a sample and several passes
KS = (1, 10, 300)


def _rotation(dim):
    """Return the orthonormal Hartley matrix; int8 screens quantise after this rotation."""
    angles = 2 * np.pi * np.outer(np.arange(dim), np.arange(dim)) / dim
    return (np.cos(angles) + np.sin(angles)) / np.sqrt(dim)


def _half_steps(rng):
    """Every rotated component is half a step from an integer, so that queries and codes err alike."""
    steps = rng.integers(-20, 21, (CODES, DIM)) + 0.5
    queries = rng.integers(-20, 21, (QUERIES, DIM)) + 0.5 * rng.choice([-1, 1], (QUERIES, 1))
    return steps @ _rotation(DIM), queries @ _rotation(DIM)


def _near_ties(rng):
    """The angles of the codes around a query differ by less than any screen resolves."""
    queries = rng.standard_normal((QUERIES, DIM))
    around = queries[rng.integers(QUERIES, size=CODES)]
    return around + 1e-6 * rng.standard_normal((CODES, DIM)), queries


def _two_tight_clusters(rng):
    centres = rng.standard_normal((2, DIM))
    return (
        centres[rng.integers(2, size=CODES)] + 1e-4 * rng.standard_normal((CODES, DIM)),
        centres[rng.integers(2, size=QUERIES)] + 1e-2 * rng.standard_normal((QUERIES, DIM)),
    )


def _all_equal(rng):
    return np.tile(rng.standard_normal(DIM), (CODES, 1)), rng.standard_normal((QUERIES, DIM))


def _few_distinct(rng):
    return rng.standard_normal((60, DIM))[rng.integers(60, size=CODES)], rng.standard_normal((QUERIES, DIM))


def _one_direction(rng):
    """All codes point the same way, and half of the queries point the other way."""
    codes = 1 + 0.1 * rng.standard_normal((CODES, DIM))
    queries = codes[:QUERIES] * np.where(np.arange(QUERIES) % 2, 1, -1)[:, None]
    return codes, queries


def _low_rank(rng):
    """A few dimensions hold nearly all of the codes; half of the queries lie outside of them."""
    codes = rng.standard_normal((CODES, 6)) @ rng.standard_normal((6, DIM))
    codes += 1e-3 * rng.standard_normal((CODES, DIM))
    return codes, np.concatenate([codes[: QUERIES // 2], rng.standard_normal((QUERIES - QUERIES // 2, DIM))])


def _spikes(rng):
    """Single components are far larger than the others, in rotated coordinates."""
    codes = 0.05 * rng.standard_normal((CODES, DIM))
    codes[np.arange(CODES), rng.integers(DIM, size=CODES)] += rng.choice([-1, 1], CODES)
    return codes @ _rotation(DIM), codes[:QUERIES] @ _rotation(DIM)


def _outliers(rng):
    """A few codes are unlike all others, so that a screen leaves them out; some queries want them."""
    codes = 1 + 0.05 * rng.standard_normal((CODES, DIM))
    odd = rng.choice(CODES, 15, replace=False)
    codes[odd] = rng.standard_normal((15, DIM))
    return codes, np.concatenate([codes[odd], codes[: QUERIES - 15]])


def _best_codes_last(rng):
    """Samples of the codes without the last ones promise too little or too much."""
    queries = rng.standard_normal((QUERIES, DIM))
    codes = rng.standard_normal((CODES, DIM))
    codes[-400:] = queries[rng.integers(QUERIES, size=400)] + 0.1 * rng.standard_normal((400, DIM))
    return codes, queries


def _best_codes_in_the_sample(rng):
    """The codes that are visited first are the best, so that they promise too much of the others."""
    queries = rng.standard_normal((QUERIES, DIM))
    codes = rng.standard_normal((CODES, DIM))
    first = np.flatnonzero(np.arange(CODES) // 16 % 8 < 2)
    codes[first] = queries[rng.integers(QUERIES, size=len(first))] + rng.standard_normal((len(first), DIM))
    return codes, queries


def _great_circle(rng):
    """All codes lie in one plane, where angles add up, so that the bounds of cells are tight."""
    plane = np.linalg.qr(rng.standard_normal((DIM, 2)))[0].T
    angles = rng.uniform(0, 2 * np.pi, CODES + QUERIES)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane
    return points[:CODES], points[CODES:]


def _neighbours_far_apart_in_order(rng):
    """Neighbours differ in directions that do not affect the order of the codes."""
    codes = np.zeros((CODES, DIM))
    codes[:, :20] = 3 * rng.standard_normal((CODES, 20))
    codes[:, 20:] = rng.choice([-1, 1], (CODES, DIM - 20))
    queries = codes[rng.integers(CODES, size=QUERIES)].copy()
    queries[:, :20] += rng.standard_normal((QUERIES, 20))
    return codes, queries


def _mostly_zero_codes(rng):
    """Most codes are zero, so that some thresholds are zero."""
    codes = rng.standard_normal((CODES, DIM))
    codes[rng.random(CODES) < 0.97] = 0
    queries = rng.standard_normal((QUERIES, DIM))
    queries[:3] = 0
    return codes, queries


def _opposite(rng):
    """The best codes have negative similarities."""
    codes = rng.standard_normal(DIM) + 0.3 * rng.standard_normal((CODES, DIM))
    return codes, -codes[:QUERIES]


MAKERS = {
    maker.__name__.strip("_"): maker
    for maker in (
        _half_steps,
        _near_ties,
        _two_tight_clusters,
        _all_equal,
        _few_distinct,
        _one_direction,
        _low_rank,
        _spikes,
        _outliers,
        _best_codes_last,
        _best_codes_in_the_sample,
        _great_circle,
        _neighbours_far_apart_in_order,
        _mostly_zero_codes,
        _opposite,
    )
}


@cache
def _problem(name):
    codes, queries = MAKERS[name](np.random.default_rng(7))
    codes, queries = codes.astype(np.float32), queries.astype(np.float32)
    scores = reference.scores(codes, queries)
    return codes, queries, {k: reference.best(scores, k) for k in KS}


@pytest.mark.parametrize("name", MAKERS)
def test_misleading_codes(isa, strategy, name):
    codes, queries, expected = _problem(name)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    for k in KS:
        assert_same_bytes(index.search(queries, k, scores64=True), expected[k])


@pytest.mark.parametrize(("first", "then"), [("one_direction", "half_steps"), ("low_rank", "spikes")])
def test_later_codes_unlike_the_first(isa, strategy, first, then):
    """Later codes are unlike the codes for which the screen was chosen."""
    codes, queries, _ = _problem(first)
    more, more_queries, _ = _problem(then)
    index = lk.CosineIndex.from_codes(codes[:5000], strategy=strategy, threads=2)
    index.add(more)
    both, asked = np.concatenate([codes[:5000], more]), np.concatenate([queries, more_queries])
    expected = reference.search(both, asked, 10)
    assert_same_bytes(index.search(asked, 10, scores64=True), expected)
    index.remove(np.arange(0, len(both), 3))
    left = np.flatnonzero(np.arange(len(both)) % 3)
    found = index.search(asked, 10)
    assert found.ids.tobytes() == left[reference.search(both[left], asked, 10).ids].tobytes()


@pytest.mark.parametrize("name", ["great_circle", "few_distinct", "low_rank"])
def test_codes_in_many_pieces(isa, strategy, name):
    """Later codes are placed among codes that already have places."""
    codes, queries, expected = _problem(name)
    index = lk.CosineIndex(DIM, strategy=strategy, threads=2)
    for begin, end in ((0, 4500), (4500, 4501), (4501, 4617), (4617, 4617), (4617, 6990), (6990, CODES)):
        index.add(codes[begin:end])
        index.search(queries, 1)
    for k in KS:
        assert_same_bytes(index.search(queries, k, scores64=True), expected[k])


def test_filters_and_order(isa, strategy):
    """Codes that are not allowed have places among codes that are."""
    codes, queries, _ = _problem("great_circle")
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    allowed = np.arange(CODES) % 3 > 0
    scores = reference.scores(codes, queries)
    scores[:, ~allowed] = -np.inf
    assert_same_bytes(index.search(queries, 10, allowed=allowed, scores64=True), reference.best(scores, 10))
    itself = reference.scores(codes, codes[:1000])
    itself[np.arange(1000), np.arange(1000)] = -np.inf
    found = index.search_self(5, scores64=True)
    expected = reference.best(itself, 5)
    assert found.ids[:1000].tobytes() == expected.ids.tobytes()


def _some_too_close(rng):
    """Half of the codes and of the queries lie around three points, too close for a coarse screen."""
    count, asked = 12_000, 90
    points = 10 * rng.standard_normal((3, DIM))
    codes = rng.standard_normal((count, DIM))
    codes[::2] = points[rng.integers(3, size=count // 2)] + 0.02 * rng.standard_normal((count // 2, DIM))
    queries = rng.standard_normal((asked, DIM))
    queries[::2] = points[rng.integers(3, size=asked // 2)] + 0.02 * rng.standard_normal((asked // 2, DIM))
    return codes.astype(np.float32), queries.astype(np.float32)


@cache
def _some_too_close_problem():
    codes, queries = _some_too_close(np.random.default_rng(11))
    return codes, queries, reference.scores(codes, queries), reference.scores(codes, codes[:500])


@pytest.mark.parametrize("threads", [1, 4])
def test_queries_change_their_rung(isa, threads):
    """Some queries of a block change their rung during a search."""
    codes, queries, scores, itself = _some_too_close_problem()
    index = lk.CosineIndex.from_codes(codes, threads=threads)
    for k in KS:
        assert_same_bytes(index.search(queries, k, scores64=True), reference.best(scores, k))
    explained = index.explain()
    if threads == 1:  # several threads get shards that are too small to try rungs on
        assert 0 < explained.finer_per_query <= explained.screened_per_query
        assert "in a finer arithmetic" in str(explained)

    allowed = np.arange(len(codes)) % 5 > 0
    filtered = np.where(allowed, scores, -np.inf)
    for k in KS:
        found = index.search(queries, k, allowed=allowed, scores64=True)
        assert_same_bytes(found, reference.best(filtered, k))
    for query in range(6):
        found = index.search(queries[query : query + 1], 10, scores64=True)
        assert_same_bytes(found, reference.best(scores[query : query + 1], 10))
    itself = itself.copy()
    itself[np.arange(500), np.arange(500)] = -np.inf
    found = index.search_self(20)
    assert found.ids[:500].tobytes() == reference.best(itself, 20).ids.tobytes()


def test_queries_from_elsewhere(isa):
    """The codes form tight clusters, which suit a subspace, and the queries lie outside of all clusters."""
    rng = np.random.default_rng(5)
    codes = rng.standard_normal((60, 96))[rng.integers(60, size=9000)] + 0.3 * rng.standard_normal((9000, 96))
    queries = rng.standard_normal((60, 96)).astype(np.float32)
    codes = codes.astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, threads=2)
    scores = reference.scores(codes, queries)
    for k in KS:
        assert_same_bytes(index.search(queries, k, scores64=True), reference.best(scores, k))
    assert index.explain().candidates_per_query < len(codes) / 3


def test_most_codes_are_out_of_reach():
    codes, queries, _ = _problem("great_circle")
    # Two threads begin in two places, and how much one learns of the other is a matter of time.
    index = lk.CosineIndex.from_codes(codes, threads=1)
    index.search(queries, 10)
    assert index.explain().screened_per_query < CODES / 3


def test_many_tiles(isa, strategy):
    """There are enough codes for a search to widen its visits several times."""
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((60_000, 24)).astype(np.float32)
    queries = rng.standard_normal((30, 24)).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    for k in (1, 10, 100, 1000):
        assert_same_bytes(index.search(queries, k, scores64=True), _many_tiles_expected(k))


@cache
def _many_tiles_expected(k):
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((60_000, 24)).astype(np.float32)
    return reference.search(codes, rng.standard_normal((30, 24)).astype(np.float32), k)


def test_codes_unlike_the_others_are_told():
    codes, _, _ = _problem("outliers")
    told = lk.CosineIndex.from_codes(codes, strategy="int8").explain()
    assert 1 <= told.unscreened_rows <= 15
    assert "unlike" in str(told)


def test_explain(monkeypatch):
    # A subspace pays wherever products are dear. Beside AMX it may not.
    monkeypatch.setenv("LATENTKNN_ISA", "baseline")
    rng = np.random.default_rng(2)
    dim = 300
    codes = rng.standard_normal((CODES, 6)) @ rng.standard_normal((6, dim))
    codes += 1e-3 * rng.standard_normal((CODES, dim))
    queries = codes[:QUERIES]
    index = lk.CosineIndex.from_codes(codes)
    before = index.explain()
    assert (before.rows, before.dim, before.queries, before.candidates_per_query) == (CODES, dim, 0, None)
    assert before.screened_per_query is None
    assert before.strategy == index.strategy == "pca"
    assert 6 < before.screened_dims < dim
    costs = [each.cost for each in before.considered]
    assert len(costs) > 2
    assert costs == sorted(costs)
    assert before.considered[0].dims == before.screened_dims
    index.search(queries, 5)
    after = index.explain()
    assert after.queries == QUERIES
    assert 5 <= after.candidates_per_query < CODES
    assert 5 <= after.screened_per_query <= CODES
    for part in ("pca", after.arithmetic, f"{CODES:,}", f"{QUERIES} queries"):
        assert part in str(after)


def test_explain_a_named_strategy():
    told = lk.CosineIndex.from_codes(_problem("low_rank")[0], strategy="fp32").explain()
    assert (told.strategy, told.arithmetic, told.screened_dims, told.considered) == ("fp32", "fp32", DIM, ())


def test_explain_without_codes():
    told = lk.CosineIndex(5).explain()
    assert (told.strategy, told.rows, told.screened_dims) == ("auto", 0, 0)
    assert str(told)


@pytest.mark.parametrize("count", [1, 7, 200, 1000])
def test_no_more_rows_are_counted_than_there_are(isa, strategy, count):
    """Cells are padded to whole tiles, and the padding is not counted."""
    codes = np.random.default_rng(5).standard_normal((count, 16))
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    index.search(codes[:50], 1)
    index.search(codes[-1:], count)
    explanation = index.explain()
    assert explanation.screened_per_query <= count
    assert explanation.candidates_per_query <= count
