"""Filters of a search: masks, ids, masks of each query's own, groups, and answers that end early."""

from __future__ import annotations

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes, assert_same_results
from reference import Answer
from scale import scaled

LIMITS = [2**63 - 1, -(2**63), 0, -1, 2**62]


def draw_problem(seed):
    """Return codes with ties, copies and zero rows, queries, ids up to the limits of 64 bits, and groups."""
    rng = np.random.default_rng(seed)
    count, dim = int(rng.integers(5, 70)), int(rng.integers(1, 12))
    codes = rng.integers(-1, 2, (count, dim)).astype(np.float32)
    codes[rng.random(count) < 0.1] = 0
    queries = np.concatenate([codes[:3], rng.standard_normal((int(rng.integers(1, 9)), dim))])
    ids = np.concatenate([LIMITS, rng.permutation(1000)[: count - len(LIMITS)] + 1])
    return rng, codes, queries, rng.permutation(ids), rng.integers(0, 5, count)


def padded(codes, queries, k, ids, masks, at_least=None):
    """Return the definition: each query by itself among its codes, then -1 and NaN."""
    scores, answers = reference.scores(codes, queries), []
    for number, mask in enumerate(masks):
        found = min(k, np.count_nonzero(mask))
        lowest = None if at_least is None else at_least[number : number + 1]
        one = reference.best(scores[number : number + 1], found, ids=ids, allowed=mask, at_least=lowest)
        missing = one.positions < 0
        one.similarities[missing] = one.scores64[missing] = np.nan
        answers.append(
            Answer(
                *(
                    np.pad(array, ((0, 0), (0, k - found)), constant_values=fill)
                    for array, fill in zip(one, (np.nan, -1, -1, np.nan), strict=True)
                )
            )
        )
    return Answer(*(np.concatenate(arrays) for arrays in zip(*answers, strict=True)))


def filters_of(rng, index, queries, groups):
    """Return what `allowed` may be, each with the mask of every query that it stands for."""
    count = len(index)
    mask = rng.random(count) < 0.5
    masks = rng.random((len(queries), count)) < rng.choice([0.05, 0.5, 0.95])
    masks[-1] = masks[0]
    masks[rng.integers(len(queries))] = rng.random() < 0.5
    of_queries = rng.integers(0, 6, len(queries))
    own = of_queries[:, np.newaxis] == groups
    names = np.array(["a", "bb", "", "größer", "e", "no code's"])
    every = (len(queries), 1)
    return [
        (mask, np.tile(mask, every)),
        (rng.permutation(index.ids[mask]), np.tile(mask, every)),
        (np.zeros(count, np.bool_), np.zeros((len(queries), count), np.bool_)),
        ([], np.zeros((len(queries), count), np.bool_)),
        (masks, masks),
        (lk.Groups(of_queries), own),
        (lk.Groups(of_queries, others=True), ~own),
        (lk.Groups(names[of_queries], rows=names[groups].tolist()), own),
        (lk.Groups(of_queries.astype(np.float32), rows=groups.astype(np.uint8), others=True), ~own),
    ]


@pytest.mark.parametrize("strategy", ["float64", "auto", "int8"])
def test_every_filter_answers_as_each_query_by_itself(strategy):
    for seed in range(scaled(12)):
        rng, codes, queries, ids, groups = draw_problem(seed)
        index = lk.CosineIndex.from_codes(codes, groups, ids, engine="cpu", strategy=strategy)
        gone = ids[rng.random(len(ids)) < 0.2]
        index.remove(gone)
        left = ~np.isin(ids, gone)
        codes, groups, ids = codes[left], groups[left], ids[left]
        k = int(rng.integers(1, len(codes) + 3))
        lowest = rng.choice([-1.0, 0.0, 0.5, 1.0], len(queries))
        for allowed, masks in filters_of(rng, index, queries, groups):
            expected = padded(codes, queries, k, ids, masks)
            found = index.search(queries, k, allowed=allowed, pad=True, scores64=True)
            assert_same_bytes(found, expected)
            assert_same_results(
                index.search(
                    queries, k, allowed=allowed, pad=True, scores64=True, progress=lambda done, of: None
                ),
                found,
            )
            assert_same_bytes(
                index.search(queries, k, allowed=allowed, pad=True, scores64=True, at_least=lowest),
                padded(codes, queries, k, ids, masks, lowest),
            )
            fewest = int(masks.sum(axis=1).min())
            if k <= fewest:
                assert_same_bytes(index.search(queries, k, allowed=allowed, scores64=True), expected)
            else:
                with pytest.raises(ValueError, match=r"k must be|no neighbours to find"):
                    index.search(queries, k, allowed=allowed)


def test_screened_rows_are_filtered_for_each_query():
    codes, queries = cases.build("near_ties", 0, 5000, 40, 24)
    groups = np.arange(len(codes)) % 7
    index = lk.CosineIndex.from_codes(codes, groups, engine="cpu")
    of_queries = np.arange(len(queries)) % 8
    scores = reference.scores(codes, queries)
    for others in (False, True):
        found = index.search(
            queries, 10, allowed=lk.Groups(of_queries, others=others), pad=True, scores64=True
        )
        for number, group in enumerate(of_queries):
            mask = (groups != group) if others else (groups == group)
            if mask.any():
                expected = reference.best(scores[number : number + 1], 10, allowed=mask)
                assert found.ids[number].tobytes() == expected.ids[0].tobytes()
                assert found.scores64[number].tobytes() == expected.scores64[0].tobytes()
            else:
                assert (found.ids[number] == -1).all()
                assert np.isnan(found.similarities[number]).all()


def test_a_query_gets_the_same_bytes_whatever_batch_it_comes_in():
    rng, codes, queries, ids, groups = draw_problem(1)
    index = lk.CosineIndex.from_codes(codes, groups, ids, engine="cpu")
    of_queries = rng.integers(0, 5, len(queries))
    whole = index.search(queries, 4, allowed=lk.Groups(of_queries), pad=True, scores64=True)
    for number in range(len(queries)):
        part = slice(number, number + 1)
        one = index.search(queries[part], 4, allowed=lk.Groups(of_queries[part]), pad=True, scores64=True)
        for name in ("ids", "positions", "similarities", "scores64"):
            assert getattr(one, name).tobytes() == getattr(whole, name)[part].tobytes()


@pytest.mark.parametrize("engine", ["faiss", "cuda"])
def test_other_engines_filter_as_the_processor_does(engine, request):
    if engine == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    else:
        pytest.importorskip("faiss")
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((60, 8)).astype(np.float32)
    queries, groups = rng.standard_normal((9, 8)).astype(np.float32), rng.integers(0, 4, 60)
    index = lk.CosineIndex.from_codes(codes, groups, engine=engine)
    expected = lk.CosineIndex.from_codes(codes, groups, engine="cpu")
    for allowed, _ in filters_of(rng, index, queries, groups):
        found = index.search(queries, 20, allowed=allowed, pad=True)
        wanted = expected.search(queries, 20, allowed=allowed, pad=True)
        assert np.array_equal(found.ids, wanted.ids)
        assert np.allclose(found.similarities, wanted.similarities, atol=1e-6, equal_nan=True)
        if engine == "cuda":
            assert found.similarities.tobytes() == wanted.similarities.tobytes()


@pytest.mark.parametrize("count", [0, 1])
def test_indexes_of_no_code_and_of_one(count):
    index = lk.CosineIndex(2, engine="cpu")
    if count:
        index.add([[1.0, 0.0]], ["a"], [-(2**63)])
    queries = np.eye(2, dtype=np.float32)
    for allowed in (
        None,
        np.ones(count, np.bool_),
        index.ids,
        np.ones((2, count), np.bool_),
        lk.Groups(["a", "a"], rows=["a"] * count),
    ):
        found = index.search(queries, 3, allowed=allowed, pad=True, scores64=True)
        wanted = padded(index.codes, queries, 3, index.ids, np.ones((2, count), np.bool_)) if count else None
        if wanted is not None:
            assert_same_bytes(found, wanted)
        else:
            assert (found.ids == -1).all()
            assert np.isnan(found.similarities).all()
            assert np.isnan(found.scores64).all()
        with pytest.raises(ValueError, match=r"k must be from 1 to 1|is empty|no neighbours"):
            index.search(queries, 3, allowed=allowed)
    none = index.search(np.empty((0, 2)), 3, allowed=lk.Groups([], rows=["a"] * count), pad=True)
    assert none.ids.shape == (0, 3)


INDEX = lk.CosineIndex.from_codes(np.eye(3), ["a", "b", "b"], [5, 6, 2**63 - 1], engine="cpu")


@pytest.mark.parametrize(
    ("allowed", "error", "message"),
    [
        ([1, 0, 1], ValueError, "occurs twice in allowed; a mask of the codes must be boolean"),
        ([5, 7], ValueError, "id 7 in allowed is not in the index"),
        ([2**64 - 1], ValueError, "allowed must fit int64"),
        ([0.5, 1.0, 0.0], TypeError, "boolean mask, ids"),
        ([[5, 6]], TypeError, "boolean mask, ids"),
        (["a"], TypeError, "boolean mask, ids"),
        ([True, False], ValueError, r"shape \(3,\)"),
        (np.ones((1, 3), np.bool_), ValueError, r"shape \(2, 3\)"),
        (lk.Groups(["a"]), ValueError, r"groups must have shape \(2,\), one a query"),
        (lk.Groups(["a", "b"], rows=["a"]), ValueError, r"groups must have shape \(3,\), one a code"),
        (lk.Groups([1, 2]), ValueError, "numbers and strings"),
        (lk.Groups(["a", None]), ValueError, "label 1 is missing"),
    ],
)
def test_what_is_no_filter_is_refused(allowed, error, message):
    with pytest.raises(error, match=message):
        INDEX.search(np.eye(3)[:2], 1, allowed=allowed)


def test_groups_of_codes_without_labels_must_be_given():
    index = lk.CosineIndex.from_codes(np.eye(2), engine="cpu")
    with pytest.raises(ValueError, match="no labels"):
        index.search(np.eye(2), 1, allowed=lk.Groups(["a", "b"]))


def test_the_query_with_too_few_codes_is_named():
    with pytest.raises(ValueError, match="from 1 to 1, the number of codes allowed to query 1 "):
        INDEX.search(np.eye(3)[:2], 2, allowed=lk.Groups(["b", "a"]))
    with pytest.raises(ValueError, match="no codes allowed to query 0"):
        INDEX.search(np.eye(3)[:2], 2, allowed=lk.Groups(["c", "a"]))


def test_answers_that_are_put_together_stay_on_the_host():
    with pytest.raises(ValueError, match="on_device"):
        INDEX.search(np.eye(3), 1, pad=True, on_device=True)


def test_a_bad_query_is_named_by_its_own_number():
    queries = np.eye(3)
    queries[2, 0] = np.nan
    with pytest.raises(ValueError, match="row 2"):
        INDEX.search(queries, 1, allowed=lk.Groups(["b", "a", "b"]), pad=True)


def test_groups_are_not_what_numpy_would_make_of_them():
    index = lk.CosineIndex.from_codes(np.eye(4))
    with pytest.raises(ValueError, match="label 1 is missing"):
        index.search(np.eye(4), 1, allowed=lk.Groups(["ada", float("nan"), "bob", "eve"], rows=list("abcd")))
    with pytest.raises(TypeError, match="all strings or all numbers"):
        index.search(np.eye(4)[:2], 1, allowed=lk.Groups([1.0, "a"], rows=list("abcd")))


def test_groups_that_no_query_has_are_no_reason_to_fail():
    index = lk.CosineIndex.from_codes(np.eye(4))
    result = index.search(np.eye(4)[:1], 1, allowed=lk.Groups(["z"], rows=list("abcd")), pad=True)
    assert result.ids.tolist() == [[-1]]
    others = index.search(np.eye(4)[:1], 4, allowed=lk.Groups(["z"], rows=list("abcd"), others=True))
    assert sorted(others.ids[0].tolist()) == [0, 1, 2, 3]


def test_progress_is_told_while_groups_are_searched(monkeypatch):
    codes = np.random.default_rng(0).standard_normal((600, 4))
    index = lk.CosineIndex.from_codes(codes)
    told = []
    index.search(
        codes,
        2,
        allowed=lk.Groups(np.arange(600) % 2, rows=np.arange(600) % 2),
        progress=lambda done, count: told.append((done, count)),
    )
    assert told[0] == (0, 600)
    assert told[-1] == (600, 600)
    assert len(told) > 3
    assert told == sorted(set(told))
