"""Filters of searches of shards, in memory, on the disk and of a cluster's workers: those of one index."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import latentknn as lk
import ray_in_process
from checking import assert_same_results
from latentknn.distributed import heeding
from latentknn.shards.known_rows import places_among
from latentknn.shards.stored_shard import bytes_to_search
from range_cases import assert_same_ranges, thresholds_of
from ray_cluster import write_folder
from scale import scaled
from test_filters import draw_problem, filters_of
from test_sharded_index import Elsewhere

BOUNDS = [0, 3, 11]
"""Where the shards of a folder end: the first is empty, the last may be."""


class Problem:
    """Drawn codes in one index, and the same in shards."""

    def __init__(self, seed: int) -> None:
        self.rng, self.codes, self.queries, ids, self.groups = draw_problem(seed)
        self.ids = ids if seed % 2 else None
        self.bounds = [min(bound, len(self.codes)) for bound in BOUNDS]
        self.one = lk.CosineIndex.from_codes(self.codes, self.groups, self.ids, engine="cpu")

    def folder(self, path):
        return write_folder(path, self.codes, self.bounds, self.groups, self.ids)

    def filters(self):
        return [allowed for allowed, _ in filters_of(self.rng, self.one, self.queries, self.groups)]


def in_memory(problem, path):
    return lk.shards.ShardedIndex(parts_of(problem))


def asked_one_by_one(problem, path):
    return lk.shards.ShardedIndex([Elsewhere(each) for each in parts_of(problem)])


def on_disk(problem, path):
    manifest = problem.folder(path)
    # No shard stays in memory while the largest is searched.
    largest = max(entry.rows for entry in manifest.shards)
    return lk.shards.open(path, mmap=True, memory=bytes_to_search(largest, manifest.dim))


def of_workers(problem, path):
    return ray_in_process.local_index(ray_in_process.local_serving(path, problem.folder(path)))


def parts_of(problem):
    ends = [*problem.bounds, len(problem.codes)]
    return [
        lk.CosineIndex.from_codes(
            problem.codes[begin:end],
            problem.groups[begin:end],
            None if problem.ids is None else problem.ids[begin:end],
            engine="cpu",
        )
        for begin, end in pairwise([0, *ends])
    ]


@pytest.fixture(autouse=True)
def ray(monkeypatch):
    return ray_in_process.use(monkeypatch)


KINDS = [in_memory, asked_one_by_one, on_disk, of_workers]


@pytest.mark.parametrize("make", KINDS)
def test_every_filter_finds_what_it_finds_in_one_index(make, tmp_path):
    for seed in range(scaled(8)):
        problem = Problem(seed)
        index, queries = make(problem, tmp_path / str(seed)), problem.queries
        k = int(problem.rng.integers(1, len(problem.codes) + 3))
        lowest = problem.rng.choice([-1.0, 0.0, 0.5, 1.0], len(queries))
        for allowed in (None, *problem.filters()):
            for options in ({"pad": True}, {"pad": True, "at_least": lowest}, {}, {"at_least": lowest}):
                asked = {"allowed": allowed, "scores64": True, **options}
                outcome = outcome_of(index, queries, k, asked)
                expected = outcome_of(problem.one, queries, k, asked)
                if isinstance(expected, str):
                    assert outcome == expected
                else:
                    assert_same_results(outcome, expected)


def outcome_of(index, queries, k, asked):
    """Return what a search finds, or the words in which it refuses."""
    try:
        return index.search(queries, k, **asked)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("make", KINDS)
def test_what_is_no_filter_gets_the_error_of_one_index(make, tmp_path):
    problem = Problem(1)
    index = make(problem, tmp_path / "db")
    queries, ids = problem.queries, problem.one.ids
    for allowed in (
        [int(ids[0]), int(ids[0])],
        [int(ids[0]), 10_000],
        [0.5, 1.0],
        ["a"],
        np.ones((1, len(ids) + 1), np.bool_),
        lk.Groups([1]),
        lk.Groups(["a"] * len(queries)),
        lk.Groups([1] * len(queries), rows=[1]),
    ):
        with pytest.raises((TypeError, ValueError)) as expected:
            problem.one.search(queries, 1, allowed=allowed)
        with pytest.raises(expected.type) as found:
            index.search(queries, 1, allowed=allowed)
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("make", [on_disk, of_workers])
def test_groups_of_shards_without_labels_must_be_given(make, tmp_path):
    problem = Problem(1)
    groups, problem.groups = problem.groups, None
    index = make(problem, tmp_path / "db")
    asked = lk.Groups(np.zeros(len(problem.queries), int))
    with pytest.raises(ValueError, match="no labels"):
        index.search(problem.queries, 1, allowed=asked)
    given = lk.Groups(groups[: len(problem.queries)], rows=groups)
    assert_same_results(
        index.search(problem.queries, 3, allowed=given, pad=True, scores64=True),
        problem.one.search(problem.queries, 3, allowed=given, pad=True, scores64=True),
    )


@pytest.mark.parametrize("make", [in_memory, on_disk, of_workers])
def test_ranges_of_shards_are_those_of_one_index(make, tmp_path):
    for seed in range(scaled(8)):
        problem = Problem(seed)
        index, queries = make(problem, tmp_path / str(seed)), problem.queries
        every = problem.one.search(queries, len(problem.codes), scores64=True)
        thresholds = thresholds_of(every.scores64, seed)
        mask = problem.rng.random(len(problem.codes)) < 0.5
        for allowed in (None, mask, np.zeros(len(mask), np.bool_)):
            for sort in (True, False):
                options = {"allowed": allowed, "sort": sort, "scores64": True}
                assert_same_ranges(
                    index.search_radius(queries, thresholds, **options),
                    problem.one.search_radius(queries, thresholds, **options),
                )
            counts = index.count_within(queries, thresholds, allowed=allowed)
            expected = problem.one.count_within(queries, thresholds, allowed=allowed)
            assert counts.dtype == expected.dtype
            assert np.array_equal(counts, expected)
        found = index.search_radius(queries, -1.0)
        assert (len(found.ids), found.scores64) == (len(queries) * len(problem.codes), None)
        for most in (1, len(found.ids) - 1):
            with pytest.raises(ValueError, match="max_results") as expected:
                problem.one.search_radius(queries, -1.0, max_results=most)
            with pytest.raises(ValueError, match="max_results") as raised:
                index.search_radius(queries, -1.0, max_results=most)
            assert str(raised.value) == str(expected.value)


def test_a_mask_on_the_shards_filters_ranges_and_padded_answers(tmp_path):
    problem = Problem(3)
    index = of_workers(problem, tmp_path / "db")
    mask = np.arange(len(problem.codes)) % 3 == 0
    index.set_mask("thirds", mask)
    queries, k = problem.queries, len(problem.codes)
    assert_same_results(
        index.search(queries, k, allowed="thirds", pad=True, scores64=True),
        problem.one.search(queries, k, allowed=mask, pad=True, scores64=True),
    )
    options = {"sort": True, "scores64": True}
    assert_same_ranges(
        index.search_radius(queries, 0.0, allowed="thirds", **options),
        problem.one.search_radius(queries, 0.0, allowed=mask, **options),
    )
    expected = problem.one.count_within(queries, 0.0, allowed=mask)
    assert np.array_equal(index.count_within(queries, 0.0, allowed="thirds"), expected)
    for ask in (index.search_radius, index.count_within):
        with pytest.raises(lk.distributed.UnknownMaskError, match="'unheard of'"):
            ask(queries, 0.0, allowed="unheard of")


def test_a_search_that_was_given_up_ends_in_the_worker(ray, tmp_path, monkeypatch):
    problem = Problem(1)
    index = of_workers(problem, tmp_path / "db")
    worker = index._client.serving.members[0].handle.worker
    index.search(problem.queries, 1)
    answered = worker._queries
    ray.canceled = True
    for ask in (
        lambda: index.search(problem.queries, 1),
        lambda: index.search_self(1),
        lambda: index.search_radius(problem.queries, 0.5),
        lambda: index.count_within(problem.queries, 0.5),
        lambda: index.search_per_class(problem.queries, 1),
    ):
        with pytest.raises(heeding.GivenUpError):
            ask()
    assert (worker._queries, worker._under_way) == (answered, 0)


def test_a_long_search_of_one_shard_is_given_up_in_the_middle(monkeypatch):
    asked = []

    def check():
        asked.append(len(asked))
        if len(asked) == 4:
            raise heeding.GivenUpError

    codes = np.random.default_rng(0).standard_normal((700, 4)).astype(np.float32)
    one = lk.CosineIndex.from_codes(codes)
    monkeypatch.setattr(heeding, "_LONG", 700 * 600)
    shard = heeding.HeedingShard(one, 0, check)
    options = {"allowed": None, "at_least": None, "scores64": True}
    with shard.searchable() as index:
        assert len(asked) == 1
        assert_same_results(
            index.search(codes[:599], 3, **options), one.search(codes[:599], 3, scores64=True)
        )
        assert len(asked) == 1
        with pytest.raises(heeding.GivenUpError):
            index.search(codes, 3, **options)
        assert len(asked) == 4
        assert_same_results(index.search(codes, 3, **options), one.search(codes, 3, scores64=True))


def test_ids_are_found_among_those_of_a_shard():
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.array([2**63 - 1, -(2**63), 0, -1, 7, 9]))
    wanted = np.array([9, 8, -1, 2**63 - 1])
    places = places_among(wanted, ids)
    assert ids[places[[0, 2, 3]]].tolist() == [9, -1, 2**63 - 1]
    assert places[1] == -1
    assert places_among(wanted[:0], ids).tolist() == []
    assert places_among(wanted, ids[:0]).tolist() == [-1] * 4
