"""Workers that are found by a name, begun and ended, and clusters that end with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import latentknn as lk
import ray_in_process
from latentknn.distributed import runtime, serving, starting, stopping
from latentknn.distributed.records import Record, recall, remember
from latentknn.distributed.serving import begin_serving, end_named, find_serving, named_workers
from ray_cluster import write_folder

CODES = np.random.default_rng(9).standard_normal((300, 4)).astype(np.float32)


@pytest.fixture
def ray(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return ray_in_process.use(monkeypatch)


@pytest.fixture
def served(ray, tmp_path):
    """Return workers of two replicas, which Ray knows by name and which have read their shards."""
    manifest = write_folder(tmp_path / "db", CODES, [100, 200])
    found = ray_in_process.local_serving(tmp_path / "db", manifest, replicas=2)
    for member in found.members:
        member.handle.worker.load()
    ray_in_process.have_names(ray, "codes", found.members)
    return found


def test_an_index_is_found_where_replicas_hold_what_a_silent_worker_held(served):
    assert len(find_serving("codes").members) == 2
    lost = served.members[0].handle
    lost.silent = True
    found = find_serving("codes", 0.1)
    assert [each.handle for each in found.members] == [served.members[1].handle]
    assert found.replicas == 2
    lost.silent, lost.dead = False, True
    assert len(find_serving("codes").members) == 1
    assert lk.CosineIndex.from_codes(CODES).search(CODES[:9], 3).ids.tolist() == (
        ray_in_process.local_index(found).search(CODES[:9], 3).ids.tolist()
    )


def test_a_generation_that_is_not_read_yet_or_ends_is_not_found(ray, served):
    manifest = write_folder(Path(served.folder), CODES[:200], [100])
    newer = ray_in_process.local_serving(served.folder, manifest)
    ray_in_process.have_names(ray, "codes", newer.members)
    assert find_serving("codes").manifest.generation == 1
    newer.members[0].handle.worker.load()
    assert find_serving("codes").manifest.generation == 2
    newer.members[0].handle.worker.retire()
    assert find_serving("codes").manifest.generation == 1


def test_a_worker_that_was_begun_again_is_found_before_it_reads(ray, served):
    for member in served.members:
        ray_in_process.begun_again(member.handle)
    assert find_serving("codes") is None
    ray.reconstructed = True
    assert len(find_serving("codes").members) == 2


def test_what_is_not_whole_is_named_so_and_can_be_ended(ray, served, monkeypatch):
    released = []
    attachment = SimpleNamespace(own=False, release=lambda: released.append(True))
    monkeypatch.setattr(starting, "import_ray", lambda: ray)
    monkeypatch.setattr(starting, "attached_to", lambda name, address: attachment)
    monkeypatch.setattr(stopping, "attached_to", lambda name, address: attachment)
    monkeypatch.setattr(stopping, "connected_address", lambda: "here")
    monkeypatch.setattr(starting, "connected_address", lambda: "here")
    for member in served.members:
        member.handle.dead = True
    with pytest.raises(lk.distributed.IncompleteAnswerError, match=r"stop\('codes'\)"):
        lk.distributed.connect("codes")
    assert len(named_workers("codes")) == 2
    lk.distributed.stop("codes")
    assert named_workers("codes") == []
    with pytest.raises(FileNotFoundError, match="no index named 'codes'"):
        lk.distributed.stop("codes")
    with pytest.raises(FileNotFoundError, match="no index named 'codes'"):
        lk.distributed.connect("codes")
    assert released == [True] * 4


def test_only_workers_of_the_name_are_ended(ray, served):
    ray.actors["codes-2/1/7"] = ray_in_process.Handle(served.members[0].handle.worker)
    assert end_named("codes")
    assert list(ray.actors) == ["codes-2/1/7"]
    assert not ray.actors["codes-2/1/7"].dead


def test_workers_that_were_begun_are_ended_where_the_next_cannot_be(ray, served, monkeypatch):
    begun = []

    def begin(*arguments):
        if begun:
            raise ValueError("the name is taken")
        begun.append(served.members[0])
        return begun[0]

    monkeypatch.setattr(serving, "_begin", begin)
    nodes = [serving.Node(str(number), "address", 1 << 40) for number in range(2)]
    with pytest.raises(ValueError, match="taken"):
        begin_serving(served.folder, served.manifest, nodes, 1, "codes", 10.0)
    assert begun[0].handle.dead


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as found:
        yield found
        found.kill()


def test_stop_ends_the_process_that_a_record_names_and_the_record(ray, process, monkeypatch):
    monkeypatch.setattr(stopping, "is_head", lambda pid: pid == process.pid)
    remember("codes", Record.of("address", process.pid))
    lk.distributed.stop("codes")
    assert process.wait(60) != 0
    assert recall("codes") is None


def test_the_record_of_this_machine_stays_where_another_cluster_is_named(ray, process, monkeypatch):
    ended = []
    monkeypatch.setattr(stopping, "_end_workers", lambda *arguments: ended.append(arguments))
    remember("codes", Record.of("address", process.pid))
    lk.distributed.stop("codes", address="ray://other:10001")
    assert ended == [("codes", "ray://other:10001")]
    assert recall("codes") is not None
    lk.distributed.stop("codes")
    assert ended[1:] == [("codes", None)]
    assert recall("codes") is None


@pytest.mark.parametrize("name", ["../codes", "", "a/b"])
def test_a_name_that_is_none_is_refused_by_all(name):
    for refuse in (lk.distributed.stop, lk.distributed.stop_apart, lk.distributed.connect):
        with pytest.raises(ValueError, match="name must be"):
            refuse(name)


@pytest.mark.parametrize("own", [False, True])
def test_an_index_that_ends_takes_its_own_record_with_it(ray, served, process, monkeypatch, own):
    monkeypatch.setattr("latentknn.distributed.client.import_ray", lambda: ray)
    ray.is_initialized = lambda: True
    remember("codes", Record.of("address", process.pid))
    index = ray_in_process.local_index(served, "codes")
    index._client._attachment.own = own
    index.stop()
    assert (recall("codes") is None) == own


def test_systems_without_proc_are_refused_in_a_sentence(served, monkeypatch):
    monkeypatch.setattr("latentknn.distributed.records.process_began", lambda pid: None)
    with pytest.raises(NotImplementedError, match="needs /proc"):
        lk.distributed.start(served.folder, name="codes")
    with pytest.raises(NotImplementedError, match="needs /proc"):
        lk.distributed.start_apart(served.folder, "codes", 1, 10.0)


def test_bad_input_is_refused_before_a_process_begins(served, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    for replicas, seconds, error in ((0, 10.0, ValueError), ("two", 10.0, TypeError), (1, 0.0, ValueError)):
        with pytest.raises(error):
            lk.distributed.start_apart(served.folder, "codes", replicas, seconds)


def test_an_interrupted_start_leaves_no_process(served, monkeypatch, process):
    class Interrupted:
        def __enter__(self):
            raise KeyboardInterrupt

        def __exit__(self, *error):
            return None

    process.stdout = Interrupted()
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **options: process)
    with pytest.raises(KeyboardInterrupt):
        lk.distributed.start_apart(served.folder, "codes", 1, 10.0)
    assert process.wait(60) != 0
    process.stdout = None


class Connection:
    """The connection of a process, which a test makes and ends."""

    def __init__(self):
        self.address = None
        self.shutdowns = 0
        self.util = SimpleNamespace(client=SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: False)))

    def is_initialized(self):
        return self.address is not None

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address=self.address)

    def shutdown(self):
        self.address = None
        self.shutdowns += 1


@pytest.fixture
def connection(request, monkeypatch):
    """Return the connection of this process to two clusters, one after the other, maybe at one address."""
    found = Connection()
    addresses = iter(["first", getattr(request, "param", "second")])
    monkeypatch.setattr(runtime, "import_ray", lambda: found)
    monkeypatch.setattr(runtime, "_connect", lambda ray, address: setattr(ray, "address", next(addresses)))
    monkeypatch.setattr(
        runtime,
        "HeadWatch",
        lambda address, connected: SimpleNamespace(address=address, lost=False, close=lambda: None),
    )
    for name, value in (("_own", False), ("_own_users", 0), ("_watch", None)):
        monkeypatch.setattr(runtime, name, value)
    return found


@pytest.mark.parametrize("connection", ["first", "second"], indirect=True)
def test_a_use_of_a_cluster_that_is_gone_does_not_end_the_next(connection):
    old = runtime.Attachment("local")
    connection.shutdown()
    new = runtime.Attachment("local")
    old.release()
    assert (connection.address is None, connection.shutdowns) == (False, 1)
    new.release()
    assert (connection.address, connection.shutdowns) == (None, 2)


def test_the_last_use_ends_the_cluster(connection):
    first, second = runtime.Attachment("local"), runtime.Attachment("auto")
    first.release()
    first.release()
    assert connection.address == "first"
    second.release()
    assert connection.address is None


def test_a_use_does_not_end_what_this_process_was_connected_to_since(connection):
    use = runtime.Attachment("local")
    connection.address = "theirs"
    use.release()
    assert (connection.address, connection.shutdowns) == ("theirs", 0)


def test_a_cluster_that_somebody_else_has_begun_since_is_left_alone(connection):
    old = runtime.Attachment("local")
    connection.address = "theirs"
    other = runtime.Attachment("auto")
    assert not other.own
    other.release()
    old.release()
    assert (connection.address, connection.shutdowns) == ("theirs", 0)
