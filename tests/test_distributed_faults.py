"""What happens where processes, nodes and files of a cluster fail: a right answer, or an error in time."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
from checking import assert_same_results
from cluster_cases import ROWS, assert_right, begin, draw_problem, node_of, workers
from new_interpreter import run_python
from ray_cluster import lives, write_folder
from scale import scaled


@pytest.fixture(scope="module")
def problem():
    return draw_problem()


@pytest.fixture
def served(request, ray_cluster, tmp_path, problem):
    """Give a started index with as many replicas as the test says."""
    index = begin(ray_cluster, tmp_path / "db", problem[0], getattr(request, "param", 1))
    yield index
    index.stop()


def during(action, seconds=0.15):
    """Do something in a moment, and return the thread that does."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_a_worker_that_is_killed_in_a_search_is_begun_again(served, problem):
    for number in range(scaled(3)):
        victim = workers(served)[number % 2]
        delay = 0.02 * (number % 10)
        timer = during(lambda pid=victim.pid: os.kill(pid, signal.SIGKILL), delay)
        assert_right(served, problem)
        timer.join()
        assert_right(served, problem)
        assert not lives(victim.pid)
    assert served.status().restarts > 0


@pytest.mark.parametrize("served", [1, 2], indirect=True)
def test_a_node_that_is_killed_in_a_search_costs_no_answer(served, problem, ray_cluster):
    victim = node_of(ray_cluster, workers(served)[0])
    timer = during(lambda: ray_cluster.remove(victim))
    assert_right(served, problem)
    timer.join()
    assert_right(served, problem)
    ray_cluster.settle()
    assert all(each.answers and each.node != victim.node_id for each in workers(served))


def test_a_damaged_shard_fails_at_once(served, problem):
    (path,) = Path(served.path).glob("shard-*-0002.safetensors")
    content = bytearray(path.read_bytes())
    content[-10_000] ^= 16
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(ValueError, match=path.name):
        lk.distributed.start(served.path, address="auto")
    # Those who have read it before the damage go on, until they have to read it again.
    assert_right(served, problem)
    (victim,) = [each for each in workers(served) if 2 in each.shards]
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(ValueError, match=rf"{path.name}.*not what was written"):
        served.search(problem[1], 20, timeout=60)
    assert time.monotonic() - began < 30


def test_generations_are_not_mixed(served, problem, tmp_path):
    codes = problem[0]
    with lk.shards.Writer(served.path, 16, append=True) as writer:
        writer.add(codes[:10])
    with lk.distributed.start(served.path, address="auto") as newer:
        assert newer.generation == 2
        serving = served._client.serving
        own = list(serving.members)
        serving.members[0] = type(own[0])(newer._client.serving.members[0].handle, own[0].groups)
        with pytest.raises(lk.distributed.GenerationError, match="asked for generation 1"):
            served.search(problem[1], 20)
        serving.members[:] = own
    assert_right(served, problem)


def test_an_answer_of_other_rows_or_digests_is_none(served, problem):
    shards = served._client.serving.manifest.shards
    for field, value in (("rows", 999), ("digest", "0" * 64)):
        entry = shards[1]
        before = getattr(entry, field)
        object.__setattr__(entry, field, value)
        with pytest.raises(
            lk.distributed.IncompleteAnswerError, match=r"shard 1 .* should have answered"
        ) as error:
            served.search(problem[1], 20)
        assert error.value.shards == (1,)
        object.__setattr__(entry, field, before)
    assert_right(served, problem)


def test_a_worker_that_begins_again_is_given_its_masks(served, problem):
    codes, queries, _ = problem
    flags = np.arange(ROWS) % 3 == 0
    expected = lk.CosineIndex.from_codes(codes).search(queries, 20, allowed=flags, scores64=True)
    served.set_mask("thirds", flags)
    _, (known, *_) = served.__reduce__()
    os.kill(workers(served)[1].pid, signal.SIGKILL)
    found = served.search(queries, 20, allowed="thirds", scores64=True)
    assert_same_results(found, expected)
    assert known[-1] == 1


def test_a_shard_without_room_is_named_until_a_node_is_added(ray_cluster, tmp_path, problem):
    codes = np.zeros((40_000, 500), np.float32)
    codes[:, 0] = 1
    write_folder(tmp_path / "large", codes, [10_000, 20_000, 30_000])
    ray_cluster.have(0)
    # Four shards of 61 MB: a node of 150 MB has room for two.
    ray_cluster.have(1, memory=150 << 20)
    try:
        with pytest.raises(MemoryError, match=r"shard 2 \('shard-000001-0002"):
            lk.distributed.start(tmp_path / "large", address="auto")
        ray_cluster.have(2, memory=150 << 20)
        with lk.distributed.start(tmp_path / "large", address="auto") as index:
            assert index.search(codes[:1], 3).ids.tolist() == [[0, 1, 2]]
            # The node that is left has no room for the other's shards, until another one comes.
            victim = node_of(ray_cluster, workers(index)[0])
            shards = workers(index)[0].shards
            ray_cluster.remove(victim)
            with pytest.raises(lk.distributed.AnswerTimeoutError) as raised:
                index.search(codes[:1], 3, timeout=6)
            assert raised.value.shards == shards
            ray_cluster.have(2, memory=150 << 20)
            assert index.search(codes[:1], 3).ids.tolist() == [[0, 1, 2]]
    finally:
        ray_cluster.have(0)


def test_a_lost_head_is_an_error_in_time(tmp_path, problem):
    write_folder(tmp_path / "db", problem[0], [2000])
    script = """
        import os, signal, sys, time
        import numpy as np
        import ray
        import latentknn as lk
        from ray_cluster import descendants
        index = lk.distributed.start(sys.argv[1])
        (head,) = [
            pid for pid in descendants(os.getpid()) if "gcs_server" in open(f"/proc/{pid}/cmdline").read()
        ]
        os.kill(head, signal.SIGKILL)
        began = time.monotonic()
        while time.monotonic() - began < 20:
            try:
                index.search(np.ones((1, 16)), 3, timeout=5)
            except lk.distributed.ClusterLostError as error:
                print("lost", error)
                break
            time.sleep(0.1)
        # Ray itself would end this process a minute after the head.
        index.stop()
        print("goes on")
    """
    began = time.monotonic()
    status, output, errors = run_python(
        "-c", textwrap.dedent(script), str(tmp_path / "db"), PYTHONPATH=str(Path(__file__).parent)
    )
    assert status == 0, errors
    assert output.startswith("lost the head of the Ray cluster at 127.0.0.1:")
    assert output.endswith("goes on\n")
    assert time.monotonic() - began < 60
