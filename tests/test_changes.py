"""Changes of an index: each state answers as an index that is built of its rows does, byte for byte."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import latentknn as lk
from checking import assert_same_results
from index_cases import CODES, LABELS, assert_same_index
from latentknn import _core
from scale import scaled

DIM = 6
QUERIES = np.concatenate([np.eye(DIM), -np.eye(DIM)[:2], np.ones((1, DIM)), np.zeros((1, DIM))])


def draw_codes(seed, count):
    """Return codes among which many are equal, many are equally near to a query, and some are zero."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 2, (count, DIM)).astype(np.float32)
    return np.where(rng.random((count, 1)) < 0.3, codes, codes + rng.standard_normal((count, DIM))).astype(
        np.float32
    )


class Model:
    """The codes, ids and labels that an index should have, in lists that are changed one by one."""

    def __init__(self, labelled):
        self.rows = {}
        self.labelled = labelled
        self.next_id = 0

    def put(self, ids, codes, labels):
        for i, row_id in enumerate(ids):
            kept = self.rows.pop(row_id, (None, None))[1]
            self.rows[row_id] = (codes[i], kept if labels is None else labels[i])

    def built(self, engine="cpu"):
        """Return an index that is built of the rows, without screening where the engine has strategies."""
        codes = np.array([code for code, _ in self.rows.values()], np.float32).reshape(-1, DIM)
        labels = np.array([label for _, label in self.rows.values()], "U2") if self.labelled else None
        index = lk.CosineIndex(DIM, engine=engine, strategy="float64" if engine == "cpu" else "auto")
        if len(codes) > 0:
            index.add(codes, labels, np.array(list(self.rows), np.int64))
        return index


def assert_answers_as(index, expected, seed):
    assert_same_index(index, expected)
    count = len(expected)
    if count == 0:
        return
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, min(count, 40) + 1))
    assert_same_results(index.search(QUERIES, k, scores64=True), expected.search(QUERIES, k, scores64=True))
    lowest = rng.choice([-1.0, 0.0, 0.5, 1.0], len(QUERIES))
    assert_same_results(
        index.search(QUERIES, k, at_least=lowest, scores64=True),
        expected.search(QUERIES, k, at_least=lowest, scores64=True),
    )
    mask = rng.random(count) < 0.7
    if mask.any():
        k = int(rng.integers(1, min(mask.sum(), 40) + 1))
        assert_same_results(
            index.search(QUERIES, k, allowed=mask, scores64=True),
            expected.search(QUERIES, k, allowed=mask, scores64=True),
        )
    if count > 1:
        k = int(rng.integers(1, min(count, 20)))
        assert_same_results(index.search_self(k, scores64=True), expected.search_self(k, scores64=True))
    if expected.labels is not None:
        assert index.classes.tolist() == expected.classes.tolist()
        assert_same_results(
            index.search_per_class(QUERIES, 1, scores64=True),
            expected.search_per_class(QUERIES, 1, scores64=True),
        )


class Changes(RuleBasedStateMachine):
    """Any sequence of changes, on an index and on a model of it."""

    @initialize(strategy=st.sampled_from(_core.strategy_names()), labelled=st.booleans())
    def make(self, strategy, labelled):
        self.index = lk.CosineIndex(DIM, engine="cpu", strategy=strategy, threads=2)
        self.model = Model(labelled)
        self.snapshots = []

    def labels_for(self, seed, count):
        return np.random.default_rng(seed).choice(["a", "b", "cc"], count) if self.model.labelled else None

    def some_ids(self, data, most=40):
        return data.draw(
            st.lists(st.sampled_from(list(self.model.rows)), min_size=1, max_size=most, unique=True)
        )

    counts = st.one_of(st.integers(1, 12), st.sampled_from([250, 300, 700]))

    @rule(seed=st.integers(0, 2**32), count=counts)
    def add(self, seed, count):
        first = self.model.next_id
        if any(first <= row_id < first + count for row_id in self.model.rows):
            return
        codes, labels = draw_codes(seed, count), self.labels_for(seed, count)
        self.index.add(codes, labels)
        self.model.put(range(first, first + count), codes, labels)
        self.model.next_id += count

    @rule(seed=st.integers(0, 2**32), count=counts)
    def add_with_ids(self, seed, count):
        ids = np.random.default_rng(seed).choice(5000, count, replace=False) - 2500
        ids = np.array([row_id for row_id in ids if row_id not in self.model.rows], np.int64)
        codes, labels = draw_codes(seed, len(ids)), self.labels_for(seed, len(ids))
        self.index.add(codes, labels, ids)
        self.model.put(ids.tolist(), codes, labels)
        self.model.next_id += len(ids)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def remove(self, data):
        ids = self.some_ids(data)
        self.index.remove(ids)
        for row_id in ids:
            del self.model.rows[row_id]

    @precondition(lambda self: self.model.rows)
    @rule(seed=st.integers(0, 2**32), share=st.sampled_from([0.3, 0.6, 1.0]))
    def remove_many(self, seed, share):
        rng = np.random.default_rng(seed)
        ids = [row_id for row_id in self.model.rows if rng.random() < share]
        self.index.remove(np.array(ids, np.int64))
        for row_id in ids:
            del self.model.rows[row_id]

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), seed=st.integers(0, 2**32), relabel=st.booleans())
    def update(self, data, seed, relabel):
        ids = self.some_ids(data)
        codes = draw_codes(seed, len(ids))
        labels = self.labels_for(seed, len(ids)) if relabel else None
        self.index.update(codes, ids, labels)
        self.model.put(ids, codes, labels)

    @rule(data=st.data(), seed=st.integers(0, 2**32))
    def upsert(self, data, seed):
        old = self.some_ids(data, 5) if self.model.rows else []
        new = [row_id for row_id in (2**40 + seed % 50, seed % 500) if row_id not in self.model.rows]
        ids = np.random.default_rng(seed).permutation(np.array(old + new, np.int64))
        codes, labels = draw_codes(seed, len(ids)), self.labels_for(seed, len(ids))
        self.index.upsert(codes, ids, labels)
        self.model.put(ids.tolist(), codes, labels)
        self.model.next_id += len(new)

    @rule()
    def compact(self):
        self.index.compact()

    @rule()
    def copy(self):
        self.index = pickle.loads(pickle.dumps(self.index))

    @rule()
    def take_snapshot(self):
        self.snapshots.append((self.index.snapshot(), self.model.built()))

    @invariant()
    def answers_as_built_anew(self):
        if hasattr(self, "index"):
            assert_answers_as(self.index, self.model.built(), len(self.model.rows))

    def teardown(self):
        for number, (snapshot, expected) in enumerate(getattr(self, "snapshots", [])):
            assert_answers_as(snapshot, expected, number)


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=scaled(12), stateful_step_count=12)


@pytest.mark.parametrize("engine", ["cuda", "faiss"])
def test_other_engines_change_as_the_processor_does(engine, request):
    if engine == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    model, rng = Model(True), np.random.default_rng(5)
    index = lk.CosineIndex(DIM, engine=engine, threads=2)
    for step in range(scaled(12)):
        known = list(model.rows)
        count = int(rng.integers(1, 90))
        codes, labels = draw_codes(step, count), rng.choice(["a", "b", "cc"], count)
        if step % 3 == 0 or len(known) < 60:
            ids = np.arange(model.next_id, model.next_id + count)
            index.add(codes, labels, ids)
            model.next_id += count
        elif step % 3 == 1:
            ids = rng.permutation(known)[: min(count, len(known) - 5)]
            index.update(codes[: len(ids)], ids, labels[: len(ids)])
        else:
            ids = rng.permutation(np.unique(np.concatenate([known[:9], rng.integers(-99, 0, 9)])))[:count]
            index.upsert(codes[: len(ids)], ids, labels[: len(ids)])
            model.next_id += sum(row_id not in model.rows for row_id in ids.tolist())
        model.put(ids.tolist(), codes, labels)
        if step % 4 == 3:
            gone = rng.permutation(list(model.rows))[:7]
            snapshot, before = index.snapshot(), model.built(engine)
            index.remove(gone)
            for row_id in gone.tolist():
                del model.rows[row_id]
            index.compact()
            assert_answers_as(snapshot, before, step)
        assert_answers_as(index, model.built(engine), step)


# What is refused


WRONG = {
    "a bad code to add": lambda index: index.add([[1, 2, np.nan]], ["bag"]),
    "an id to add that is there": lambda index: index.add(CODES[:1], ["bag"], [3]),
    "an id to add twice": lambda index: index.add(CODES[:2], ["bag", "bag"], [8, 8]),
    "an id to remove that is not there": lambda index: index.remove([1, 5]),
    "a bad code to update": lambda index: index.update([[1, 2, np.inf]], [1]),
    "codes of another length to update": lambda index: index.update([[1, 2]], [1]),
    "an id to update that is not there": lambda index: index.update(CODES[:2], [1, 5]),
    "an id to update twice": lambda index: index.update(CODES[:2], [1, 1]),
    "too few ids to update": lambda index: index.update(CODES[:2], [1]),
    "too few labels to update": lambda index: index.update(CODES[:2], [1, 2], ["bag"]),
    "a missing label to update": lambda index: index.update(CODES[:2], [1, 2], ["bag", None]),
    "a bad code to upsert": lambda index: index.upsert([[1, 2, 3], [1e300, 0, 0]], [1, 9], ["bag", "bag"]),
    "an id to upsert twice": lambda index: index.upsert(CODES[:2], [9, 9], ["bag", "bag"]),
    "a new id to upsert without a label": lambda index: index.upsert(CODES[:2], [1, 9]),
    "an id to upsert that is no integer": lambda index: index.upsert(CODES[:1], [1.5], ["bag"]),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("changed_before", [False, True])
def test_what_is_refused_changes_nothing(wrong, changed_before):
    index, expected = (lk.CosineIndex.from_codes(CODES, LABELS) for _ in range(2))
    for each in (index, expected) if changed_before else ():
        each.remove([0])
        each.add(CODES[:1], ["shoe"], [-4])
    with pytest.raises((TypeError, ValueError)):
        WRONG[wrong](index)
    assert_same_index(index, expected)
    index.add(CODES[:1], ["hat"])
    expected.add(CODES[:1], ["hat"])
    assert_same_index(index, expected)
    k = len(expected)
    assert_same_results(index.search(CODES, k, scores64=True), expected.search(CODES, k, scores64=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index.update(CODES[:1], [7]), "id 7 is not in the index; nothing was changed; upsert"),
        (lambda index: index.update(CODES[:2], [1, 1]), "id 1 occurs twice"),
        (lambda index: index.upsert(CODES[:1], [7]), "the index has labels"),
        (
            lambda index: index.upsert(CODES[:2], [7]),
            r"ids must have shape \(2,\), one a row, received shape \(1,\)",
        ),
    ],
)
def test_messages_say_what_was_received(change, said):
    with pytest.raises(ValueError, match=said):
        change(lk.CosineIndex.from_codes(CODES, LABELS))


# Snapshots and labels


def test_a_snapshot_stays_as_it_was_and_refuses_changes():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    snapshot = index.snapshot()
    index.update(CODES[::-1].copy(), np.arange(5), LABELS[::-1])
    index.remove([0, 2])
    assert_same_index(snapshot, lk.CosineIndex.from_codes(CODES, LABELS))
    for change in (
        lambda: snapshot.add(CODES, LABELS),
        lambda: snapshot.remove([1]),
        lambda: snapshot.update(CODES[:1], [1]),
        lambda: snapshot.upsert(CODES[:1], [1]),
        lambda: snapshot.compact(),
    ):
        with pytest.raises(TypeError, match="a snapshot does not change"):
            change()
    own = copy.copy(snapshot.snapshot())
    own.remove([1])
    assert len(own) == 4
    assert len(snapshot) == 5


def test_labels_stay_where_an_update_names_none():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.update(CODES[:3], [3, 0, 1])
    assert index.ids.tolist() == [2, 4, 3, 0, 1]
    assert index.labels.tolist() == ["shoe", "bag", "coat", "shoe", "bag"]


def test_all_codes_may_be_updated_or_removed():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.update(CODES[::-1].copy(), [0, 1, 2, 3, 4])
    assert index.codes.tolist() == CODES[::-1].tolist()
    assert index.labels.tolist() == LABELS.tolist()
    index.remove(index.ids)
    assert len(index) == 0
    index.add(CODES, [1, 2, 3, 4, 5])
    assert index.ids.tolist() == [5, 6, 7, 8, 9]


def test_labels_of_removed_codes_hinder_no_others():
    """A label that float64 cannot hold is gone before labels become float64."""
    index = lk.CosineIndex.from_codes(CODES, [2**60 + 1, 2, 3, 4, 5])
    index.remove([0])
    index.add(CODES[:1], [0.5])
    assert index.labels.tolist() == [2, 3, 4, 5, 0.5]
    assert index.ids.tolist() == [1, 2, 3, 4, 5]
