"""Workers and nodes that are late or silent: an error in time that names the shards, or a replica answers."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

import latentknn as lk
from cluster_cases import asked_first, assert_right, begin, draw_problem, node_of

LATE = 0.2
"""Seconds by which an error may come after its time-out."""


@pytest.fixture(scope="module")
def problem():
    return draw_problem()


@pytest.fixture(scope="module")
def served(request, ray_cluster, tmp_path_factory, problem):
    """Give an index with as many replicas as the test says; tests leave it as it was."""
    index = begin(ray_cluster, tmp_path_factory.mktemp("late") / "db", problem[0], request.param)
    yield index
    index.stop()


one_replica = pytest.mark.parametrize("served", [1], indirect=True)
two_replicas = pytest.mark.parametrize("served", [2], indirect=True)
either = pytest.mark.parametrize("served", [1, 2], indirect=True)


def seconds_until_timeout(index, problem, timeout):
    began = time.monotonic()
    with pytest.raises(lk.distributed.AnswerTimeoutError, match="did not answer within") as raised:
        index.search(problem[1], 20, timeout=timeout)
    assert isinstance(raised.value, TimeoutError)
    assert isinstance(raised.value, lk.distributed.IncompleteAnswerError)
    return time.monotonic() - began, raised.value.shards


@either
def test_a_stopped_worker_is_a_time_out_or_its_replica_answers(served, problem):
    victim = asked_first(served)
    os.kill(victim.pid, signal.SIGSTOP)
    try:
        if served.status(timeout=1).replicas == 2:
            assert_right(served, problem)
        else:
            for timeout in (0.5, 1.5):
                late, shards = seconds_until_timeout(served, problem, timeout)
                assert timeout <= late <= timeout + LATE
                assert shards == victim.shards
    finally:
        os.kill(victim.pid, signal.SIGCONT)
    assert_right(served, problem)


@either
def test_a_stopped_node_is_a_time_out_or_the_replicas_answer(served, problem, ray_cluster):
    victim = asked_first(served)
    processes = ray_cluster.processes_of(node_of(ray_cluster, victim))
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        if served.status(timeout=1).replicas == 2:
            assert_right(served, problem)
        else:
            late, shards = seconds_until_timeout(served, problem, 1.0)
            assert 1.0 <= late <= 1.0 + LATE
            assert shards == victim.shards
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    assert_right(served, problem)


@two_replicas
def test_a_slow_shard_is_answered_by_its_replica(served, problem):
    victim = asked_first(served)
    stop = threading.Event()

    def slow():
        # The process works a hundredth of the time.
        while not stop.is_set():
            os.kill(victim.pid, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(victim.pid, signal.SIGCONT)
            time.sleep(0.003)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        for _ in range(3):
            assert_right(served, problem, timeout=20)
    finally:
        stop.set()
        thread.join()


@one_replica
def test_batches_under_way_are_bounded(served, problem):
    victim = asked_first(served)
    os.kill(victim.pid, signal.SIGSTOP)

    def wait_for_it():
        with suppress(TimeoutError):
            served.search(problem[1], 20, timeout=2.5)

    threads = [threading.Thread(target=wait_for_it) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        with pytest.raises(
            lk.distributed.AnswerTimeoutError, match="4 batches of this client were under way"
        ):
            served.search(problem[1], 20, timeout=0.5)
        assert time.monotonic() - began < 0.5 + LATE
    finally:
        os.kill(victim.pid, signal.SIGCONT)
        for thread in threads:
            thread.join()
    assert_right(served, problem)
