"""Opening folders of shards, and searching what is on the disk."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

import latentknn as lk
from checking import assert_same_results
from latentknn.files.manifest import Manifest, ShardEntry
from latentknn.files.shard import open_shard
from latentknn.shards import stored_shard
from latentknn.shards.stored_index import those_that_stay
from latentknn.shards.stored_shard import bytes_to_search
from shard_cases import DIM, assert_answers_as, problem


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        lk.shards.open(tmp_path)
    with lk.shards.Writer(tmp_path / "index", DIM) as writer:
        writer.add(np.ones((10, DIM)))
    with pytest.raises(ValueError, match="shards need an engine that is exact, received 'faiss'"):
        lk.shards.open(tmp_path / "index", engine="faiss")
    with pytest.raises(ValueError, match="memory= is the budget of mmap=True"):
        lk.shards.open(tmp_path / "index", memory=1 << 20)
    with pytest.raises(ValueError, match="of 10 codes needs up to 1,360 bytes for a search"):
        lk.shards.open(tmp_path / "index", mmap=True, memory=1000)
    with pytest.raises(ValueError, match="memory must be at least 1, received 0"):
        lk.shards.open(tmp_path / "index", mmap=True, memory=0)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_damaged_shard_is_an_error(tmp_path, mmap):
    with lk.shards.Writer(tmp_path, DIM, 5) as writer:
        writer.add(np.ones((10, DIM)), labels=np.arange(10))
    shard = sorted(tmp_path.glob("shard*"))[1]
    whole = shard.read_bytes()
    at = len(whole) // 2
    shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ValueError, match="is not a readable shard"):
        lk.shards.open(tmp_path, mmap=mmap).search(np.ones((1, DIM)), 1)
    shard.write_bytes(whole)
    lk.shards.open(tmp_path, mmap=mmap).search(np.ones((1, DIM)), 1)


def test_a_shard_that_is_cut_short_is_an_error_and_no_signal(tmp_path):
    with lk.shards.Writer(tmp_path, DIM, 500) as writer:
        writer.add(np.random.default_rng(0).standard_normal((2000, DIM)))
    index = lk.shards.open(tmp_path, mmap=True, memory=1 << 17)
    queries = np.ones((2, DIM))
    before = index.search(queries, 5)
    shards = sorted(tmp_path.glob("shard*"))
    whole = shards[2].read_bytes()
    for size in (0, 100, 4096, len(whole) - 1):
        os.truncate(shards[2], size)
        with pytest.raises(ValueError, match="is not a readable shard"):
            index.search(queries, 5)
        shards[2].write_bytes(whole)
    assert index.search(queries, 5).ids.tobytes() == before.ids.tobytes()
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=shards[1].name):
        index.search(queries, 5)


def test_an_open_index_shows_the_folder_as_it_was(tmp_path):
    codes, queries, labels, _ = problem()
    with lk.shards.Writer(tmp_path, DIM, 20) as writer:
        writer.add(codes, labels)
    indexes = [lk.shards.open(tmp_path, mmap=mmap) for mmap in (False, True)]
    with lk.shards.Writer(tmp_path, DIM, append=True) as writer:
        writer.add(codes, labels)
    for index in indexes:
        assert_answers_as(index, lk.CosineIndex.from_codes(codes, labels), queries)
    shutil.rmtree(tmp_path)
    assert len(indexes[0].search(queries, 1).ids) == len(queries)


@pytest.mark.parametrize("memory", [1 << 14, 1 << 30])
def test_searches_of_several_threads_answer_as_one(tmp_path, memory):
    codes, queries, labels, _ = problem(400)
    with lk.shards.Writer(tmp_path, DIM, 60) as writer:
        writer.add(codes, labels)
    index = lk.shards.open(tmp_path, mmap=True, memory=memory)
    one = lk.CosineIndex.from_codes(codes, labels)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: index.search(queries, 9, scores64=True), range(12)))
        per_class = list(threads.map(lambda _: index.search_per_class(queries, 4, scores64=True), range(6)))
    for answer in answers:
        assert_same_results(answer, one.search(queries, 9, scores64=True))
    for answer in per_class:
        assert_same_results(answer, one.search_per_class(queries, 4, scores64=True))


def test_first_searches_at_once_read_every_shard_once(tmp_path, monkeypatch):
    codes, queries, labels, _ = problem(400)
    with lk.shards.Writer(tmp_path, DIM, 60) as writer:
        writer.add(codes, labels)
    index = lk.shards.open(tmp_path, mmap=True)
    opened = []
    meeting = threading.Barrier(2)

    def open_slowly(folder, entry):
        opened.append(entry.file)
        # Two threads that read at once meet here; where one waits for the other, nobody comes.
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.5)
        return open_shard(folder, entry)

    monkeypatch.setattr(stored_shard, "open_shard", open_slowly)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: index.search(queries, 9, scores64=True), range(2)))
    one = lk.CosineIndex.from_codes(codes, labels)
    for answer in answers:
        assert_same_results(answer, one.search(queries, 9, scores64=True))
    assert sorted(opened) == sorted(path.name for path in tmp_path.glob("shard*"))


def test_shards_that_stay_leave_room_for_any_other():
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(300):
        rows = rng.integers(1, 100, size=rng.integers(1, 8)).tolist()
        firsts = np.cumsum([0, *rows]).tolist()
        entries = [
            ShardEntry(f"shard-{first}.safetensors", count, first, 0, "")
            for first, count in zip(firsts[:-1], rows, strict=True)
        ]
        needs = np.array([bytes_to_search(count, DIM) for count in rows])
        budget = int(rng.integers(needs.max(), 2 * needs.sum()))
        stays = np.array(those_that_stay(Manifest(DIM, tuple(entries), 0), budget))
        assert needs[stays].sum() + needs[~stays].max(initial=0) <= budget
        assert stays.all() == (needs.sum() <= budget)
        kept += stays.sum()
    assert kept > 300
