"""Going over to another generation while searches are answered."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
from ray_cluster import lives, write_folder

DIM = 8


@pytest.fixture
def codes():
    return np.random.default_rng(3).standard_normal((900, DIM)).astype(np.float32)


@pytest.fixture
def served(ray_cluster, tmp_path, codes):
    ray_cluster.have(max(2, len(ray_cluster.nodes)))
    write_folder(tmp_path / "db", codes[:600], [300])
    index = lk.distributed.start(tmp_path / "db", address="auto", name=f"published-{tmp_path.name}")
    yield index
    index.stop()


def append(served, rows):
    with lk.shards.Writer(served.path, DIM, append=True) as writer:
        writer.add(rows)


def test_every_search_meanwhile_is_that_of_one_generation(served, codes):
    queries = np.random.default_rng(4).standard_normal((200, DIM))
    wanted = {
        count: lk.CosineIndex.from_codes(codes[:count]).search(queries, 5).ids.tobytes()
        for count in (600, 900)
    }
    other = lk.distributed.connect(served.name)
    old = [each.pid for each in served.status().workers]
    found, stop = {"this": [], "other": []}, threading.Event()

    def search(name, index):
        while not stop.is_set():
            found[name].append(index.search(queries, 5).ids.tobytes())

    threads = [threading.Thread(target=search, args=each) for each in (("this", served), ("other", other))]
    for thread in threads:
        thread.start()
    append(served, codes[600:])
    try:
        served.publish(2)
        count = len(found["other"])
        while len(found["other"]) < count + 3:
            assert all(thread.is_alive() for thread in threads)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for answers in found.values():
        changed = [answer == wanted[900] for answer in answers]
        assert all(answer in wanted.values() for answer in answers)
        # The old generation first, then the new one, and never back.
        assert changed == sorted(changed)
        assert changed[-1]
        assert not changed[0]
    assert served.generation == other.generation == 2
    assert len(served) == 900
    assert not any(map(lives, old))
    served.publish()
    assert served.generation == 2
    other.disconnect()


def test_what_cannot_be_published_changes_nothing(served, codes):
    with pytest.raises(ValueError, match="holds generation 1, received generation = 7"):
        served.publish(7)
    append(served, codes[600:])
    (path,) = Path(served.path).glob("shard-000002-*")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=path.name):
        served.publish()
    assert served.generation == 1
    assert served.search(codes[599:600], 1).ids.tolist() == [[599]]
    path.write_bytes(content)
    served.publish()
    assert served.search(codes[899:900], 1).ids.tolist() == [[899]]


def test_a_job_of_a_generation_ends_where_another_one_is_served(served, codes, tmp_path):
    fixed = lk.distributed.connect(served.name).pinned()
    append(served, codes[600:])
    served.publish(2)
    with pytest.raises(RuntimeError, match=r"join-\S+ could not be written: .*bound to generation 1"):
        lk.distributed.self_join(fixed, tmp_path / "out", k=1)
    lk.distributed.self_join(served, tmp_path / "newer", k=1)
    assert len(list((tmp_path / "newer").glob("*.parquet"))) == 3
    with pytest.raises(ValueError, match="another job"):
        lk.distributed.self_join(served, tmp_path / "out", k=1)
    with pytest.raises(lk.distributed.GenerationError, match="bound to generation 1"):
        fixed.search(codes[:2], 1)


def test_masks_belong_to_a_generation(served, codes):
    served.set_mask("some", np.arange(600) < 10)
    append(served, codes[600:])
    served.publish()
    with pytest.raises(lk.distributed.UnknownMaskError, match="'some'"):
        served.search(codes[:2], 1, allowed="some")
    with pytest.raises(ValueError, match=r"shape \(900,\)"):
        served.search(codes[:2], 1, allowed=np.ones(600, np.bool_))
