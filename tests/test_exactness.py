"""Every kernel and strategy gives the bytes of the reference, and keeps the invariances of the contract."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes, assert_same_results
from latentknn import _core

# Hypothesis warns of a fixture that is set up once for all examples, as the forced kernel is on purpose.
one_kernel = [HealthCheck.function_scoped_fixture]


@cache
def problem(kind, seed, code_count, query_count, dim):
    """Return codes, queries and their scores, computed once for all kernels and strategies."""
    codes, queries = cases.build(kind, seed, code_count, query_count, dim)
    return codes, queries, reference.scores(codes, queries)


@cache
def expected_best(kind, seed, code_count, query_count, dim, k):
    """Return the answer of the reference; the ids are shuffled and of any size."""
    _, _, scores = problem(kind, seed, code_count, query_count, dim)
    return reference.best(scores, k, ids=cases.user_ids(seed, code_count))


def check(kind, seed, code_count, query_count, dim, ks, strategy, threads=2):
    codes, queries, _ = problem(kind, seed, code_count, query_count, dim)
    ids = cases.user_ids(seed, code_count)
    index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy, threads=threads)
    for k in ks:
        result = index.search(queries, k, scores64=True)
        assert_same_bytes(result, expected_best(kind, seed, code_count, query_count, dim, k))


# Shapes


@cache
def ranked(code_count):
    """Return some codes with many ties, the queries, and the neighbours of the queries among these codes."""
    codes, queries, scores = problem("mixture", 1, max(cases.SIZES), max(cases.SIZES), 19)
    return codes[:code_count], queries, reference.best(scores[:, :code_count], code_count)


@pytest.mark.parametrize("code_count", cases.SIZES)
def test_sizes_around_vectors_and_tiles(isa, strategy, code_count):
    codes, queries, expected = ranked(code_count)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    assert index.isa == isa
    for query_count in cases.SIZES:
        for k in {1, min(10, code_count), code_count}:
            result = index.search(queries[:query_count], k, scores64=True)
            assert_same_bytes(result, reference.Answer(*(array[:query_count, :k] for array in expected)))


@pytest.mark.parametrize("dim", cases.DIMENSIONS)
@pytest.mark.parametrize("kind", ["gaussian", "last_bits", "permuted", "mixture"])
def test_every_dimension(isa, strategy, kind, dim):
    check(kind, 2, 61, 27, dim, (1, 7, 61), strategy)


@pytest.mark.parametrize("kind", ["gaussian", "signs"])
def test_every_k(isa, strategy, kind):
    check(kind, 3, 70, 11, 12, range(1, 71), strategy)


@pytest.mark.parametrize("k", [1, 2, 10, 100, 999, 1000, 2999, 3000])
def test_large_k(isa, strategy, k):
    check("gaussian", 4, 3000, 9, 10, (k,), strategy)


@pytest.mark.parametrize(
    ("code_count", "query_count", "dim"),
    [
        pytest.param(20_011, 70, 10, id="many codes"),
        pytest.param(301, 6_007, 16, id="many queries"),
        pytest.param(4_099, 131, 128, id="wide codes"),
        pytest.param(1_003, 67, 784, id="images"),
    ],
)
@pytest.mark.parametrize("kind", ["gaussian", "duplicates", "tight_cone"])
def test_many_blocks(isa, strategy, kind, code_count, query_count, dim):
    check(kind, 5, code_count, query_count, dim, (1, 10), strategy)


@pytest.mark.parametrize("trend", ["rising", "falling"])
def test_codes_sorted_by_similarity(isa, strategy, trend):
    """Every code, or no code after the first k, is among the best so far: most or least work for a screen."""
    angles = np.linspace(1.5, 0.0, 5_000)
    codes = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    codes = codes if trend == "rising" else codes[::-1]
    queries = np.float32([[1.0, 0.0], [2.0, 1e-4]])
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    for k in (1, 10, 100):
        assert_same_bytes(index.search(queries, k, scores64=True), reference.search(codes, queries, k))


# Values


@pytest.mark.parametrize("kind", cases.BUILDERS)
@pytest.mark.parametrize("dim", [1, 5, 16, 67])
def test_every_kind_of_value(isa, strategy, kind, dim):
    check(kind, 6, 203, 37, dim, (1, 10, 203), strategy)


@pytest.mark.parametrize("kind", cases.BUILDERS)
def test_every_kind_without_strategy_or_kernel_given(kind):
    check(kind, 7, 203, 37, 32, (1, 10, 203), "auto")


def test_negative_zero_is_positive(isa, strategy):
    index = lk.CosineIndex.from_codes([[0.0, -1.0], [-1.0, 0.0]], strategy=strategy)
    result = index.search([[1e30, 1e-30]], 1, scores64=True)
    assert result.scores64[0, 0] < 0
    assert result.similarities.tobytes() == np.zeros((1, 1), np.float32).tobytes()


@settings(max_examples=500, suppress_health_check=one_kernel)
@given(data=st.data())
def test_generated_problems(isa, data):
    """A kind of values, a shape, ids, k and perhaps a mask, on every strategy and some number of threads."""
    kind = data.draw(st.sampled_from(sorted(cases.BUILDERS)), label="kind")
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    code_count = data.draw(st.integers(1, 60), label="number of codes")
    query_count = data.draw(st.integers(1, 40), label="number of queries")
    dim = data.draw(st.integers(1, 40), label="dimension")
    codes, queries = cases.build(kind, seed, code_count, query_count, dim)
    ids = cases.user_ids(seed, code_count)
    k = data.draw(st.integers(1, code_count), label="k")
    allowed = None
    if data.draw(st.booleans(), label="masked"):
        allowed = np.zeros(code_count, dtype=bool)
        allowed_count = data.draw(st.integers(k, code_count), label="number of allowed codes")
        allowed[np.random.default_rng(seed).permutation(code_count)[:allowed_count]] = True
    threads = data.draw(st.integers(1, 4), label="threads")

    expected = reference.search(codes, queries, k, ids=ids, allowed=allowed)
    for strategy in _core.strategy_names():
        index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy, threads=threads)
        assert_same_bytes(index.search(queries, k, allowed=allowed, scores64=True), expected)


float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def small_problems(draw):
    dim = draw(st.integers(1, 11))
    codes = draw(hnp.arrays(np.float32, (draw(st.integers(1, 9)), dim), elements=float32s))
    queries = draw(hnp.arrays(np.float32, (draw(st.integers(1, 5)), dim), elements=float32s))
    return codes, queries, draw(st.integers(1, len(codes)))


@settings(max_examples=500, suppress_health_check=one_kernel)
@given(small_problems())
@example((np.float32([[0.0, -1.0]]), np.float32([[1e30, 1e-30]]), 1))
def test_generated_values(isa, small_problem):
    """Any finite float32 anywhere; a failing case shrinks to the values that matter."""
    codes, queries, k = small_problem
    expected = reference.search(codes, queries, k)
    for strategy in _core.strategy_names():
        index = lk.CosineIndex.from_codes(codes, strategy=strategy)
        assert_same_bytes(index.search(queries, k, scores64=True), expected)


# Invariance


@pytest.mark.parametrize("threads", range(1, 9))
def test_number_of_threads(isa, strategy, threads):
    check("mixture", 8, 530, 401, 24, (1, 10), strategy, threads)
    check("gaussian", 8, 5_003, 3, 24, (1, 10), strategy, threads)  # fewer queries than threads


@pytest.mark.parametrize("batch", [1, 2, 5, 12, 64, 99])
def test_batch_splits(isa, strategy, batch):
    codes, queries, _ = problem("mixture", 9, 311, 120, 33)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    parts = [index.search(queries[at : at + batch], 9, scores64=True) for at in range(0, len(queries), batch)]
    joined = reference.Answer(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in reference.Answer._fields)
    )
    assert_same_bytes(index.search(queries, 9, scores64=True), joined)


def test_order_of_queries(isa, strategy):
    codes, queries, scores = problem("mixture", 10, 311, 120, 33)
    order = np.random.default_rng(0).permutation(len(queries))
    result = lk.CosineIndex.from_codes(codes, strategy=strategy).search(queries[order], 9, scores64=True)
    assert_same_bytes(result, reference.best(scores[order], 9))


def test_order_of_codes_with_their_ids(isa, strategy):
    codes, queries, scores = problem("mixture", 11, 311, 60, 33)
    order = np.random.default_rng(0).permutation(len(codes))
    index = lk.CosineIndex.from_codes(codes[order], ids=order, strategy=strategy)
    result = index.search(queries, 9, scores64=True)
    expected = reference.best(scores, 9)
    assert result.ids.tobytes() == expected.ids.tobytes()
    assert result.scores64.tobytes() == expected.scores64.tobytes()


def test_added_in_pieces(isa, strategy):
    codes, queries, scores = problem("mixture", 12, 311, 40, 17)
    ids = cases.user_ids(12, 311)
    index = lk.CosineIndex(17, strategy=strategy)
    for start, stop in [(0, 1), (1, 1), (1, 8), (8, 100), (100, 311)]:
        index.add(codes[start:stop], ids=ids[start:stop])
        if stop >= 8:
            expected = reference.best(scores[:, :stop], 5, ids=ids[:stop])
            assert_same_bytes(index.search(queries, 5, scores64=True), expected)


def test_removed_is_as_if_never_added(isa, strategy):
    codes, queries, scores = problem("mixture", 13, 311, 40, 17)
    ids = cases.user_ids(13, 311)
    kept = np.random.default_rng(0).random(311) < 0.6
    index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy)
    index.search(queries, 5)
    index.remove(ids[~kept])
    assert_same_bytes(
        index.search(queries, 5, scores64=True), reference.best(scores[:, kept], 5, ids=ids[kept])
    )

    index.add(codes[~kept], ids=ids[~kept])
    order = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])
    assert_same_bytes(
        index.search(queries, 5, scores64=True), reference.best(scores[:, order], 5, ids=ids[order])
    )


def test_saved_and_loaded(isa, strategy, tmp_path):
    codes, queries, scores = problem("mixture", 14, 311, 40, 17)
    ids = cases.user_ids(14, 311)
    lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy).save(tmp_path / "index.safetensors")
    index = lk.CosineIndex.load(tmp_path / "index.safetensors")
    assert_same_bytes(index.search(queries, 5, scores64=True), reference.best(scores, 5, ids=ids))


def test_one_shot_search(isa):
    codes, queries, scores = problem("mixture", 15, 311, 40, 17)
    similarities, ids = lk.cosine_search(codes, queries, 5, threads=2)
    expected = reference.best(scores, 5)
    assert similarities.tobytes() == expected.similarities.tobytes()
    assert ids.tobytes() == expected.ids.tobytes()


def test_all_kernels_agree_with_one_another(monkeypatch):
    """Indexes under all kernels exist at once, and no state of one leaks into another."""
    codes, queries, scores = problem("mixture", 16, 311, 40, 129)
    indexes = []
    for isa in _core.available_isas():
        monkeypatch.setenv("LATENTKNN_ISA", isa)
        indexes.append(lk.CosineIndex.from_codes(codes))
    monkeypatch.delenv("LATENTKNN_ISA")
    assert [index.isa for index in indexes] == list(_core.available_isas())
    for index in indexes + indexes[::-1]:
        assert_same_bytes(index.search(queries, 5, scores64=True), reference.best(scores, 5))


# Restricted searches


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("kind", ["mixture", "last_bits"])
def test_allowed(isa, strategy, kind, share):
    codes, queries, scores = problem(kind, 17, 1_203, 41, 20)
    ids = cases.user_ids(17, 1_203)
    allowed = np.random.default_rng(0).permutation(1_203) < share * 1_203
    index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy)
    for k in (1, 10, int(allowed.sum())):
        expected = reference.best(scores, k, ids=ids, allowed=allowed)
        assert_same_bytes(index.search(queries, k, allowed=allowed, scores64=True), expected)


def test_allowed_leaves_out_the_best(isa, strategy):
    """The codes that a screen without the mask would find are exactly those that are not allowed."""
    codes, queries, scores = problem("tight_cone", 18, 600, 5, 20)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    for query, row in zip(queries, scores, strict=True):
        allowed = np.ones(600, dtype=bool)
        allowed[np.argsort(-row)[:300]] = False
        expected = reference.best(row[None], 10, allowed=allowed)
        assert_same_bytes(index.search(query[None], 10, allowed=allowed, scores64=True), expected)


@pytest.mark.parametrize("kind", ["mixture", "duplicates", "all_equal", "only_zero_rows", "last_bits"])
@pytest.mark.parametrize("dim", [1, 10, 33])
def test_search_self(isa, strategy, kind, dim):
    codes, _ = cases.build(kind, 19, 131, 0, dim)
    ids = cases.user_ids(19, 131)
    index = lk.CosineIndex.from_codes(codes, ids=ids, strategy=strategy, threads=2)
    for k in (1, 5, 130):
        assert_same_bytes(index.search_self(k, scores64=True), reference.search_self(codes, k, ids=ids))


def test_search_self_over_many_blocks(isa, strategy):
    codes, _ = cases.build("duplicates", 20, 2_311, 0, 10)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
    assert_same_bytes(index.search_self(3, scores64=True), reference.search_self(codes, 3))


def test_search_self_does_not_change_the_index(isa, strategy):
    codes, queries, scores = problem("mixture", 21, 131, 20, 10)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    before = index.search(queries, 4, scores64=True)
    index.search_self(4)
    assert_same_results(index.search(queries, 4, scores64=True), before)
    assert_same_bytes(before, reference.best(scores, 4))
