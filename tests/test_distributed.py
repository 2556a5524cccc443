"""Shards on several nodes answer as one index, to the bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cases
import latentknn as lk
from checking import assert_same_results
from new_interpreter import run_script
from range_cases import assert_same_ranges, thresholds_of
from ray_cluster import write_folder
from scale import scaled
from test_sharded_index import Problem

CASES = 2
"""Random cases for each number of shards and nodes; a scale of 100 makes them the 200 of a release."""

CASES_OF_CODES = 10
"""Cases that have the same codes, as workers take longer to begin than to answer; all else is drawn."""


@pytest.fixture(scope="module")
def nodes(request, ray_cluster):
    ray_cluster.have(request.param)
    return request.param


def bounds_of(problem, shards):
    ends = np.sort(problem.rng.integers(problem.count + 1, size=shards - 1))
    if problem.rng.random() < 0.3:
        ends = np.linspace(0, problem.count, shards + 1).astype(int)[1:-1]
    return ends.tolist()


def queries_of(problem, case):
    """Return those of the problem, or others of its kind, codes among them."""
    if case == 0:
        return problem.queries
    count, dim = len(problem.queries), problem.codes.shape[1]
    _, others = cases.build(problem.kind, int(problem.rng.integers(1 << 30)), 20, count, dim)
    known = problem.rng.random(count) < 0.3
    others[known] = problem.codes[problem.rng.integers(problem.count, size=np.count_nonzero(known))]
    return others


def assert_same_searches(served, problem, queries):
    index, rng = problem.index, problem.rng
    for k in problem.ks(problem.count):
        expected = index.search(queries, k, scores64=True)
        assert_same_results(served.search(queries, k, scores64=True), expected)
        lowest = expected.scores64[:, rng.integers(k)]
        assert_same_results(
            served.search(queries, k, at_least=lowest, scores64=True),
            index.search(queries, k, at_least=lowest, scores64=True),
        )
    allowed = rng.random(problem.count) < rng.choice([0.1, 0.5, 0.95])
    allowed[rng.integers(problem.count)] = True
    served.set_mask("drawn", allowed)
    for k in problem.ks(np.count_nonzero(allowed)):
        expected = index.search(queries, k, allowed=allowed, scores64=True)
        assert_same_results(served.search(queries, k, allowed=allowed, scores64=True), expected)
        assert_same_results(served.search(queries, k, allowed="drawn", scores64=True), expected)
    few, of_few = queries[:4], rng.choice(problem.labels, len(queries[:4]))
    for given in (
        lk.Groups(of_few),
        lk.Groups(of_few, others=True),
        rng.permutation(index.ids[allowed]),
        rng.random((len(few), problem.count)) < 0.5,
    ):
        assert_same_results(
            served.search(few, 9, allowed=given, pad=True, scores64=True),
            index.search(few, 9, allowed=given, pad=True, scores64=True),
        )
    every = index.search(queries, problem.count, scores64=True)
    thresholds = thresholds_of(every.scores64, problem.count)
    for given, flags in ((None, None), ("drawn", allowed)):
        options = {"sort": bool(rng.integers(2)), "scores64": True}
        assert_same_ranges(
            served.search_radius(queries, thresholds, allowed=given, **options),
            index.search_radius(queries, thresholds, allowed=flags, **options),
        )
        counts = index.count_within(queries, thresholds, allowed=flags)
        assert np.array_equal(served.count_within(queries, thresholds, allowed=given), counts)
    _, counts = np.unique(problem.labels, return_counts=True)
    for k in problem.ks(counts.min()):
        assert_same_results(
            served.search_per_class(queries, k, scores64=True),
            index.search_per_class(queries, k, scores64=True),
        )
    own = np.stack([queries + np.float32(step) for step in range(len(counts))])
    assert_same_results(
        served.search_per_class(own, 1, scores64=True), index.search_per_class(own, 1, scores64=True)
    )


def assert_same_codes(served, problem):
    index = problem.index
    for k in problem.ks(problem.count - 1):
        assert_same_results(served.search_self(k, scores64=True), index.search_self(k, scores64=True))
    assert served.classes.tolist() == index.classes.tolist()
    assert served.labels.tolist() == index.labels.tolist()
    assert served.ids.tobytes() == index.ids.tobytes()


@pytest.mark.parametrize("nodes", [1, 2, 3], indirect=True)
@pytest.mark.parametrize("shards", [1, 2, 3, 8])
def test_answers_are_those_of_one_index(tmp_path, nodes, shards):
    left = scaled(CASES)
    for number in range(-(-left // CASES_OF_CODES)):
        problem = Problem(10_000 * nodes + 1000 * shards + number)
        path = tmp_path / str(number)
        write_folder(path, problem.codes, bounds_of(problem, shards), problem.labels, problem.ids)
        replicas = 1 + (number + nodes + shards) % min(nodes, 2)
        with lk.distributed.start(path, address="auto", replicas=replicas) as served:
            assert len(served.status().workers) == min(nodes, shards * replicas)
            assert_same_codes(served, problem)
            for case in range(min(left, CASES_OF_CODES)):
                assert_same_searches(served, problem, queries_of(problem, case))
        left -= CASES_OF_CODES


@pytest.fixture(scope="module")
def served_problem(ray_cluster, tmp_path_factory):
    """Give an index of 500 codes in 5 shards on 3 nodes, which tests do not change."""
    ray_cluster.have(3)
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((500, 9)).astype(np.float32)
    labels = rng.integers(4, size=500)
    path = tmp_path_factory.mktemp("served")
    write_folder(path, codes, [100, 200, 300, 400], labels)
    with lk.distributed.start(path, address="auto", name="served", replicas=2) as served:
        yield served, lk.CosineIndex.from_codes(codes, labels), rng.standard_normal((40, 9))


def test_bad_input_is_refused_before_anything_is_sent(served_problem):
    served, _, queries = served_problem
    before = sum(each.queries for each in served.status().workers)
    for arguments, error, match in (
        ((queries[:, 1:], 3), ValueError, "9 columns"),
        ((np.full((2, 9), np.nan), 3), ValueError, "row 0"),
        ((queries, 0), ValueError, "k must be from 1 to 500"),
        ((queries, 501), ValueError, "k must be from 1 to 500"),
        ((queries, 2.5), TypeError, "k must be an integer"),
    ):
        with pytest.raises(error, match=match):
            served.search(*arguments)
    for options, error, match in (
        ({"allowed": np.ones(499, np.bool_)}, ValueError, r"shape \(500,\)"),
        ({"allowed": np.ones(500)}, TypeError, "boolean"),
        ({"allowed": np.zeros(500, np.bool_)}, ValueError, "no allowed codes"),
        ({"allowed": "unheard of"}, lk.distributed.UnknownMaskError, "'unheard of'"),
        ({"at_least": np.full(40, 2.0)}, ValueError, "at most 1"),
        ({"timeout": 0}, ValueError, "positive number of seconds"),
    ):
        with pytest.raises(error, match=match):
            served.search(queries, 3, **options)
    with pytest.raises(ValueError, match="codes of class"):
        served.search_per_class(queries, 500)
    with pytest.raises(ValueError, match="other codes"):
        served.search_self(500)
    assert sum(each.queries for each in served.status().workers) == before


def test_an_empty_batch_has_an_empty_answer(served_problem):
    served, one, queries = served_problem
    assert_same_results(
        served.search(queries[:0], 3, scores64=True), one.search(queries[:0], 3, scores64=True)
    )


def test_searches_of_several_threads_are_right(served_problem):
    served, one, queries = served_problem
    expected = one.search(queries, 7, scores64=True)
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(lambda _: served.search(queries, 7, scores64=True), range(40)):
            assert_same_results(found, expected)


def test_large_batches_are_put_once_and_right(served_problem):
    served, one, _ = served_problem
    queries = np.random.default_rng(1).standard_normal((4000, 9))
    assert_same_results(served.search(queries, 20, scores64=True), one.search(queries, 20, scores64=True))


def test_another_client_connects_by_name(served_problem):
    served, one, queries = served_problem
    other = lk.distributed.connect("served")
    assert (len(other), other.dim, other.generation, other.path) == (500, 9, 1, served.path)
    assert_same_results(other.search(queries, 5, scores64=True), one.search(queries, 5, scores64=True))
    flags = np.arange(500) % 7 == 3
    served.set_mask("sevenths", flags)
    expected = one.search(queries, 5, allowed=flags, scores64=True)
    assert_same_results(other.search(queries, 5, allowed="sevenths", scores64=True), expected)
    other.disconnect()
    with pytest.raises(RuntimeError, match="connect again"):
        other.search(queries, 5)
    assert_same_results(served.search(queries, 5, allowed="sevenths", scores64=True), expected)
    served.forget_mask("sevenths")
    with pytest.raises(lk.distributed.UnknownMaskError, match="'sevenths'"):
        served.search(queries, 5, allowed="sevenths")


def test_a_process_without_a_node_connects_through_the_client_of_ray(served_problem, ray_cluster, tmp_path):
    served, one, queries = served_problem
    groups = np.arange(len(queries)) % 4
    np.savez(tmp_path / "asked.npz", queries=queries, groups=groups)
    script = """
        import sys
        import numpy as np
        import latentknn as lk
        folder, address = sys.argv[1:]
        index = lk.distributed.connect("served", address=address)
        with np.load(f"{folder}/asked.npz") as asked:
            queries, groups = asked["queries"], asked["groups"]
        found = index.search(queries, 7, scores64=True)
        own = index.search(queries, 7, allowed=lk.Groups(groups), pad=True)
        np.savez(f"{folder}/found.npz", ids=found.ids, scores64=found.scores64, own=own.ids)
        index.disconnect()
    """
    with ray_cluster.client_server() as address:
        run_script(script, str(tmp_path), address)
    with np.load(tmp_path / "found.npz") as found:
        expected = one.search(queries, 7, scores64=True)
        assert found["ids"].tobytes() == expected.ids.tobytes()
        assert found["scores64"].tobytes() == expected.scores64.tobytes()
        own = one.search(queries, 7, allowed=lk.Groups(groups), pad=True)
        assert found["own"].tobytes() == own.ids.tobytes()
    # Whoever leaves leaves the workers to others.
    assert_same_results(served.search(queries, 7, scores64=True), expected)


def test_names_are_not_used_twice(served_problem):
    served, *_ = served_problem
    with pytest.raises(FileExistsError, match="'served'"):
        lk.distributed.start(served.path, address="auto", name="served")
    with pytest.raises(FileNotFoundError, match="'nobody'"):
        lk.distributed.connect("nobody")
    with pytest.raises(ValueError, match="letters, digits"):
        lk.distributed.start(served.path, address="auto", name="a/b")


def test_status_tells_what_each_worker_holds(served_problem):
    served, _, queries = served_problem
    served.search(queries, 3)
    status = served.status()
    assert (status.name, status.path, status.generation) == ("served", served.path, 1)
    assert (status.rows, status.dim, status.shards, status.replicas, status.restarts) == (500, 9, 5, 2, 0)
    assert sorted(number for each in status.workers for number in each.shards) == sorted([0, 1, 2, 3, 4] * 2)
    for each in status.workers:
        assert each.answers
        assert each.rows == 100 * len(each.shards)
        assert each.memory > 1 << 20
        assert each.threads > 0
    assert sum(each.queries_per_second for each in status.workers) > 0
    assert len({each.node for each in status.workers}) == 3


def test_what_cannot_be_started_is_refused(served_problem, tmp_path):
    served, *_ = served_problem
    with pytest.raises(ValueError, match="replicas must be at most 3"):
        lk.distributed.start(served.path, address="auto", replicas=4)
    with pytest.raises(FileNotFoundError, match="no manifest"):
        lk.distributed.start(tmp_path, address="auto")
    with pytest.raises(RuntimeError, match="joins none"):
        lk.distributed.start(served.path, address="local")
    with pytest.raises(RuntimeError, match="this process is connected"):
        lk.distributed.start(served.path, address="ray://nowhere:1")
