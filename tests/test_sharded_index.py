"""Several indexes that answer as one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import cases
import latentknn as lk
from checking import assert_same_results
from latentknn.classification import Vote, find_neighbours
from scale import scaled

SHARD_COUNTS = (1, 2, 3, 8, 17)
CASES = 500


class Problem:
    """Codes of a kind, whose labels, ids and order are drawn, with queries, in one index and in shards."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        kinds = list(cases.BUILDERS)
        self.rng = rng
        self.kind = kinds[seed % len(kinds)]
        dim = int(rng.choice([1, 2, 3, 8, 17, 32, 65]))
        self.count = int(rng.choice([2, 5, 33, 250, 1500], p=[0.1, 0.2, 0.3, 0.3, 0.1]))
        self.codes, self.queries = cases.build(self.kind, seed, self.count, int(rng.integers(1, 25)), dim)
        if rng.random() < 0.3:
            # Each shard then holds codes of one side.
            self.codes = self.codes[np.argsort(self.codes[:, 0], kind="stable")]
        self.ids = cases.user_ids(seed, self.count) if rng.random() < 0.5 else None
        self.labels = np.array(["a", "bb", "ccc"])[rng.integers(3, size=self.count)]
        self.index = self._index(slice(None))

    def _index(self, rows: slice) -> lk.CosineIndex:
        index = lk.CosineIndex(self.codes.shape[1], engine="cpu", threads=int(self.rng.integers(1, 4)))
        ids = None if self.ids is None else self.ids[rows]
        index.add(self.codes[rows], self.labels[rows], ids)
        return index

    def in_shards(self, shards: int, kind=lambda index: index) -> lk.shards.ShardedIndex:
        """Return the same codes in shards of drawn sizes, empty ones too, each made a `kind` of index."""
        ends = np.sort(self.rng.integers(self.count + 1, size=shards - 1))
        if self.rng.random() < 0.3:
            ends = np.linspace(0, self.count, shards + 1).astype(int)[1:-1]
        bounds = [0, *ends.tolist(), self.count]
        return lk.shards.ShardedIndex(
            [kind(self._index(slice(begin, end))) for begin, end in pairwise(bounds)]
        )

    def ks(self, available: int) -> set[int]:
        """Return numbers of neighbours, the least and the greatest among them."""
        most = min(available, 120)
        return {k for k in (1, 10, int(self.rng.integers(1, most + 1)), most) if k <= available}


class Elsewhere:
    """An index that the core cannot search together with others: it has the methods of `Searchable` alone."""

    def __init__(self, index: lk.CosineIndex) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def __getattr__(self, name: str):
        if name not in ("dim", "exact", "codes", "ids", "labels", "search"):
            raise AttributeError(name)
        return getattr(self._index, name)


def assert_answers_as_one_index(seed: int, shards: int, kind) -> None:
    problem = Problem(seed)
    index, sharded = problem.index, problem.in_shards(shards, kind)
    for k in problem.ks(problem.count):
        expected = index.search(problem.queries, k, scores64=True)
        assert_same_results(sharded.search(problem.queries, k, scores64=True), expected)
        lowest = expected.scores64[:, problem.rng.integers(k)]
        assert_same_results(
            sharded.search(problem.queries, k, at_least=lowest, scores64=True),
            index.search(problem.queries, k, at_least=lowest, scores64=True),
        )
    allowed = problem.rng.random(problem.count) < problem.rng.choice([0.1, 0.5, 0.95])
    allowed[problem.rng.integers(problem.count)] = True
    for k in problem.ks(np.count_nonzero(allowed)):
        assert_same_results(
            sharded.search(problem.queries, k, allowed=allowed, scores64=True),
            index.search(problem.queries, k, allowed=allowed, scores64=True),
        )
    for k in problem.ks(problem.count - 1):
        assert_same_results(sharded.search_self(k, scores64=True), index.search_self(k, scores64=True))
    classes, counts = np.unique(problem.labels, return_counts=True)
    assert np.array_equal(sharded.classes, classes)
    for k in problem.ks(counts.min()):
        expected = index.search_per_class(problem.queries, k, scores64=True)
        assert_same_results(sharded.search_per_class(problem.queries, k, scores64=True), expected)


@pytest.mark.parametrize("shards", SHARD_COUNTS)
def test_shards_answer_as_one_index(shards):
    for seed in range(min(CASES, scaled(8))):
        assert_answers_as_one_index(seed, shards, lambda index: index)


@pytest.mark.parametrize("shards", SHARD_COUNTS)
def test_shards_that_are_asked_one_by_one_answer_as_one_index(shards):
    for seed in range(min(CASES, scaled(8))):
        assert_answers_as_one_index(seed, shards, Elsewhere)


@pytest.mark.parametrize("shards", SHARD_COUNTS)
def test_shards_vote_as_one_index(shards):
    for seed in range(min(CASES, scaled(4))):
        problem = Problem(seed)
        numbers = np.unique(problem.labels, return_inverse=True)[1]
        problem.labels = numbers
        index, sharded = problem._index(slice(None)), problem.in_shards(shards)
        k = int(problem.rng.integers(1, problem.count + 1))
        for weights in ("uniform", "similarity", "softmax"):
            found = [find_neighbours(each, problem.queries, k, 3) for each in (index, sharded)]
            one, many = (each.predict(Vote(k, weights)) for each in found)
            assert one.tobytes() == many.tobytes()
            one, many = (each.shares(Vote(k, weights)) for each in found)
            assert one.tobytes() == many.tobytes()


def test_what_an_index_knows_of_its_codes():
    codes = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    labels = ["a", "bbbb", "a", "c", "a", "c", "a"]
    index = lk.CosineIndex.from_codes(codes, labels)
    sharded = lk.shards.ShardedIndex(
        [index_of(codes[:1], labels[:1]), lk.CosineIndex(3), index_of(codes[1:], labels[1:])]
    )
    assert (len(sharded), sharded.dim, sharded.exact) == (7, 3, True)
    for name in ("codes", "ids", "labels", "classes"):
        got, wanted = getattr(sharded, name), getattr(index, name)
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted)
    assert repr(sharded) == "ShardedIndex(7 codes of dimension 3 in 3 shards)"
    sharded.labels[:] = "x"
    sharded.ids[:] = 0
    assert sharded.labels.tolist() == labels
    assert sharded.ids.tolist() == list(range(7))


def test_explain_counts_searches_of_all_shards():
    codes = np.random.default_rng(0).standard_normal((9000, 16)).astype(np.float32)
    sharded = lk.shards.ShardedIndex([lk.CosineIndex.from_codes(each) for each in np.split(codes, [6000])])
    sharded.search(codes[:7], 3)
    explanation = sharded.explain()
    assert (explanation.rows, explanation.dim, explanation.queries) == (9000, 16, 7)
    assert explanation.candidates_per_query >= 3
    assert explanation.considered


def test_shards_that_the_core_does_not_hold_are_explained_by_themselves():
    with pytest.raises(RuntimeError, match="ask each index of theirs"):
        lk.shards.ShardedIndex([Elsewhere(index_of())]).explain()


def test_ids_are_positions_where_shards_have_no_others():
    codes = np.eye(6, dtype=np.float32)
    halves = [codes[:3], codes[3:]]
    sharded = lk.shards.ShardedIndex([lk.CosineIndex.from_codes(half) for half in halves])
    assert sharded.search(codes, 1).ids[:, 0].tolist() == list(range(6))
    own = ([5, 4, 3], [2, 1, 0])
    named = [lk.CosineIndex.from_codes(half, ids=ids) for half, ids in zip(halves, own, strict=True)]
    sharded = lk.shards.ShardedIndex(named)
    found = sharded.search(codes, 1)
    assert found.ids[:, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert found.positions[:, 0].tolist() == list(range(6))
    assert found.scores64 is None


def test_equal_similarities_are_in_order_of_ids_across_shards():
    codes = np.ones((9, 4), np.float32)
    ids = np.array([8, 0, 7, 1, 6, 2, 5, 3, 4])
    shards = [lk.CosineIndex.from_codes(codes[i : i + 3], ids=ids[i : i + 3]) for i in (0, 3, 6)]
    found = lk.shards.ShardedIndex(shards).search(codes[:1], 9)
    assert found.ids.tolist() == [list(range(9))]
    assert ids[found.positions].tolist() == [list(range(9))]


def test_no_queries_have_no_neighbours():
    sharded = lk.shards.ShardedIndex([lk.CosineIndex.from_codes(np.eye(3))] * 1)
    found = sharded.search(np.empty((0, 3)), 2, scores64=True)
    assert found.ids.shape == found.scores64.shape == (0, 2)


def index_of(codes=((1.0, 0.0),), labels=None, ids=None, **settings):
    return lk.CosineIndex.from_codes(codes, labels, ids, **settings)


@pytest.mark.parametrize(
    ("indexes", "error", "message"),
    [
        (lambda: [], ValueError, "received no shards; an index of no codes needs an empty shard"),
        (lambda: index_of(), TypeError, "shards must be a list of indexes, received a CosineIndex"),
        (
            lambda: [index_of(), lk.CosineIndex(3)],
            ValueError,
            "must have the same dimension, received 2 in shard 0 and 3 in shard 1",
        ),
        (lambda: [index_of(ids=[7]), index_of(ids=[7])], ValueError, "id 7 occurs twice"),
        (
            lambda: [index_of(), index_of(engine="faiss")],
            ValueError,
            "shard 1 has an engine that is not",
        ),
        (
            lambda: [index_of(), index_of(labels=[1])],
            ValueError,
            "some shards have labels and some have none",
        ),
        (lambda: [index_of(labels=["a"]), index_of(labels=[1])], ValueError, "the index has labels of dtype"),
    ],
)
def test_shards_that_are_not_one_index_are_refused(indexes, error, message):
    with pytest.raises(error, match=message):
        lk.shards.ShardedIndex(indexes())


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.search([[1.0, np.nan]], 1),
        lambda index: index.search([[1.0, 0.0], [np.inf, 0.0]], 1),
        lambda index: index.search([[1.0, 0.0]], 0),
        lambda index: index.search([[1.0, 0.0]], 5),
        lambda index: index.search([[1.0, 0.0]], 2.0),
        lambda index: index.search([[1.0]], 1),
        lambda index: index.search([1.0, 0.0], 1),
        lambda index: index.search([["a", "b"]], 1),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=[True]),
        lambda index: index.search([[1.0, 0.0]], 2, allowed=[False, True, False, False]),
        lambda index: index.search([[1.0, 0.0]], 1, at_least=[2.0]),
        lambda index: index.search([[1.0, 0.0]], 0, pad=True),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=[0, 4]),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=[1, 0, 0, 1]),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=[0.5]),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=[[True, False]]),
        lambda index: index.search([[1.0, 0.0]], 2, allowed=[[True, False, False, False]]),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=lk.Groups([0])),
        lambda index: index.search([[1.0, 0.0]], 1, allowed=lk.Groups(["z"])),
        lambda index: index.search([[1.0, np.nan]], 1, allowed=lk.Groups(["a"])),
        lambda index: index.search_radius([[1.0, 0.0]], 2.0),
        lambda index: index.search_radius([[1.0, 0.0]], 0.0, max_results=2),
        lambda index: index.search_radius([[1.0, 0.0]], 0.0, max_results=0),
        lambda index: index.count_within([[1.0, 0.0]], 0.5, allowed=[True]),
        lambda index: index.search_self(4),
        lambda index: index.search_per_class([[1.0, 0.0]], 2),
        lambda index: index.search_per_class([[np.nan, 0.0]], 1),
        lambda index: index.search_per_class([[[1.0, 0.0]]], 1),
    ],
)
def test_bad_questions_get_the_error_of_one_index(ask):
    codes = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
    labels = ["a", "a", "b", "a"]
    index = lk.CosineIndex.from_codes(codes, labels)
    sharded = lk.shards.ShardedIndex([index_of(codes[:2], labels[:2]), index_of(codes[2:], labels[2:])])
    with pytest.raises((TypeError, ValueError)) as expected:
        ask(index)
    with pytest.raises(expected.type) as found:
        ask(sharded)
    assert str(found.value) == str(expected.value)


def test_search_per_class_needs_labels():
    with pytest.raises(ValueError, match="the index has no labels; make its shards with labels="):
        lk.shards.ShardedIndex([index_of()]).search_per_class([[1.0, 0.0]])


def test_a_shard_that_has_changed_is_an_error():
    shard = index_of()
    sharded = lk.shards.ShardedIndex([index_of(), shard])
    shard.add([[0.0, 1.0]])
    with pytest.raises(RuntimeError, match="shard 1 had 1 codes and has 2 now; make another ShardedIndex"):
        sharded.search([[1.0, 0.0]], 1)
