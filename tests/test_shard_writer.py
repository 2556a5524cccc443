"""Writing shards."""

from __future__ import annotations

import errno
import os
import shutil
import time

import numpy as np
import pytest

import latentknn as lk
from killing import killed
from latentknn.files import column_writer
from latentknn.files.manifest import read_newest
from scale import scaled
from shard_cases import DIM, assert_answers_as, problem


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("with_ids", [False, True])
def test_what_was_written_in_batches_answers_as_one_index(tmp_path, mmap, with_ids):
    for seed in range(scaled(4)):
        rng = np.random.default_rng(seed)
        codes, queries, labels, ids = problem(int(rng.integers(40, 200)), seed)
        if not with_ids:
            ids = None
        rows_per_shard = int(rng.integers(1, 80))
        with lk.shards.Writer(tmp_path / str(seed), DIM, rows_per_shard) as writer:
            begin = 0
            while begin < len(codes):
                part = slice(begin, begin + int(rng.integers(1, 60)))
                writer.add(codes[part], labels[part], None if ids is None else ids[part])
                begin = min(part.stop, len(codes))
                assert writer.rows == begin
        memory = int(rng.integers(1 << 15, 1 << 17)) if mmap else None
        index = lk.shards.open(tmp_path / str(seed), mmap=mmap, memory=memory)
        one = lk.CosineIndex.from_codes(codes, labels, ids)
        assert_answers_as(index, one, queries)
        sizes = [shard.rows for shard in read_newest(tmp_path / str(seed)).shards]
        assert sizes[:-1] == [rows_per_shard] * (len(sizes) - 1)
        assert_answers_as(lk.CosineIndex.load(tmp_path / str(seed)), one, queries)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_saved_index_opens_as_shards_and_more_are_appended(tmp_path, mmap):
    codes, queries, labels, _ = problem()
    lk.CosineIndex.from_codes(codes[:20], labels[:20]).save(f"{tmp_path}/index/")
    before = {path.name: path.read_bytes() for path in (tmp_path / "index").glob("shard*")}
    with lk.shards.Writer(tmp_path / "index", DIM, append=True) as writer:
        writer.add(codes[20:40], labels[20:40])
        writer.add(codes[40:], labels[40:])
    index = lk.shards.open(tmp_path / "index", mmap=mmap)
    assert index.generation == 2
    assert index.path == tmp_path / "index"
    assert_answers_as(index, lk.CosineIndex.from_codes(codes, labels), queries)
    after = {path.name: path.read_bytes() for path in (tmp_path / "index").glob("shard*")}
    assert len(after) == 2
    assert before.items() < after.items()
    assert len(list((tmp_path / "index").iterdir())) == 3


def test_appended_codes_get_the_ids_of_one_index(tmp_path):
    codes, queries, _, _ = problem()
    ids = np.random.default_rng(0).permutation(np.arange(100, 153))
    one = lk.CosineIndex.from_codes(codes[:20], ids=ids[:20])
    one.remove(ids[3:5])
    one.save(f"{tmp_path}/own/")
    one.add(codes[20:])
    with lk.shards.Writer(tmp_path / "own", DIM, append=True) as writer:
        writer.add(codes[20:])
    assert_answers_as(lk.shards.open(tmp_path / "own"), one, queries)
    one = lk.CosineIndex.from_codes(codes[:20])
    one.save(f"{tmp_path}/later/")
    one.add(codes[20:], ids=np.arange(20, 53)[::-1])
    with lk.shards.Writer(tmp_path / "later", DIM, append=True) as writer:
        writer.add(codes[20:], ids=np.arange(20, 53)[::-1])
    assert_answers_as(lk.shards.open(tmp_path / "later", mmap=True), one, queries)


def test_an_index_of_no_codes(tmp_path):
    with lk.shards.Writer(tmp_path, DIM) as writer:
        writer.add(np.empty((0, DIM)))
    for index in (lk.shards.open(tmp_path), lk.shards.open(tmp_path, mmap=True)):
        assert (len(index), index.dim, index.labels) == (0, DIM, None)
        assert index.codes.shape == (0, DIM)
        assert index.ids.shape == (0,)
        with pytest.raises(ValueError, match="the index is empty"):
            index.search(np.ones((1, DIM)), 1)
    with lk.shards.Writer(tmp_path, DIM, append=True) as writer:
        writer.add(np.ones((2, DIM)), labels=[1, 2])
    assert lk.shards.open(tmp_path).labels.tolist() == [1, 2]


# What is wrong


def test_a_bad_batch_is_refused_and_the_others_stay(tmp_path):
    codes, queries, labels, ids = problem()
    bad = codes[:5].astype(np.float64)
    bad[3, 1] = np.nan
    with lk.shards.Writer(tmp_path, DIM, 8) as writer:
        for begin in (0, 10):
            writer.add(codes[begin : begin + 10], labels[begin : begin + 10])
            for wrong, error, message in (
                ((bad, labels[:5]), ValueError, "row 3 of the codes"),
                ((codes[:5],), ValueError, "the codes before have labels; pass labels="),
                ((codes[:5], [1, 2, 3, 4, 5]), ValueError, "labels of dtype int64 do not fit <U"),
                ((codes[:5], labels[:4]), ValueError, r"labels must have shape \(5,\)"),
                ((codes[:5, :2], labels[:5]), ValueError, f"codes must have {DIM} columns"),
                ((codes[:5], labels[:5], ids[:5]), ValueError, "have no ids of their own"),
                ((codes[:5], [None] * 5), ValueError, "label 0 is missing"),
            ):
                with pytest.raises(error, match=message):
                    writer.add(*wrong)
    assert_answers_as(lk.shards.open(tmp_path), lk.CosineIndex.from_codes(codes[:20], labels[:20]), queries)


def test_ids_are_distinct_in_the_whole_index(tmp_path):
    rng = np.random.default_rng(0)
    with lk.shards.Writer(tmp_path, 1, 50) as writer:
        ids = rng.permutation(1000)
        for begin in range(0, 1000, 37):
            new = ids[begin : begin + 37]
            writer.add(np.ones((len(new), 1)), ids=new)
            again = np.append(-1 - new, rng.choice(ids[: begin + len(new)]))
            with pytest.raises(ValueError, match=f"id {again[-1]} occurs twice"):
                writer.add(np.ones((len(again), 1)), ids=again)
        with pytest.raises(ValueError, match="id -5 occurs twice"):
            writer.add(np.ones((2, 1)), ids=[-5, -5])
        with pytest.raises(ValueError, match="the batches before have ids; pass ids="):
            writer.add(np.ones((1, 1)))
    with lk.shards.Writer(tmp_path, 1, append=True) as writer:
        with pytest.raises(ValueError, match="id 999 occurs twice"):
            writer.add(np.ones((1, 1)), ids=[999])
        writer.add(np.ones((1, 1)))
    assert lk.shards.open(tmp_path).ids.tolist() == [*ids.tolist(), 1000]


def test_labels_fit_the_type_of_the_first(tmp_path):
    with lk.shards.Writer(tmp_path / "numbers", 1) as writer:
        writer.add(np.ones((2, 1)), np.array([1, 200], np.uint8))
        writer.add(np.ones((2, 1)), [7, 255])
        with pytest.raises(ValueError, match="labels of dtype int64 do not fit uint8"):
            writer.add(np.ones((1, 1)), [256])
        with pytest.raises(ValueError, match="labels of dtype float64 do not fit uint8"):
            writer.add(np.ones((1, 1)), [0.5])
    labels = lk.shards.open(tmp_path / "numbers").labels
    assert labels.dtype == np.uint8
    assert labels.tolist() == [1, 200, 7, 255]
    with lk.shards.Writer(tmp_path / "strings", 1, 1) as writer:
        writer.add(np.ones((2, 1)), ["a", "bc"])
        writer.add(np.ones((1, 1)), ["defg"])
    assert lk.shards.open(tmp_path / "strings").labels.tolist() == ["a", "bc", "defg"]


def test_an_error_in_the_block_leaves_the_folder_as_it_was(tmp_path):
    codes, _, labels, _ = problem()

    def broken_off(folder, append):
        with lk.shards.Writer(folder, DIM, 4, append=append) as writer:
            writer.add(codes, labels)
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        broken_off(tmp_path / "new", append=False)
    assert list((tmp_path / "new").iterdir()) == []
    lk.CosineIndex.from_codes(codes, labels).save(f"{tmp_path}/old/")
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    with pytest.raises(KeyError, match="stop"):
        broken_off(tmp_path / "old", append=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before


def test_a_batch_that_cannot_be_written_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    writer = lk.shards.Writer(tmp_path, DIM, 4)
    writer.add(np.ones((6, DIM)))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(column_writer.ColumnWriter, "write_codes", full)
    with pytest.raises(OSError, match="No space left"):
        writer.add(np.ones((6, DIM)))
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.add(np.ones((6, DIM)))
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(IsADirectoryError, match=r"notes\.txt"):
        lk.shards.Writer(tmp_path / "other", DIM)
    with lk.shards.Writer(tmp_path / "index", DIM) as writer:
        writer.add(np.ones((1, DIM)))
        with pytest.raises(BlockingIOError, match="is being changed by another"):
            lk.shards.Writer(tmp_path / "index", DIM)
    with pytest.raises(FileExistsError, match="holds an index; add to it by append=True"):
        lk.shards.Writer(tmp_path / "index", DIM)
    with pytest.raises(ValueError, match="holds codes of 6 dimensions, received dim = 7"):
        lk.shards.Writer(tmp_path / "index", 7, append=True)
    for name in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FileNotFoundError, match="there is no index to append to"):
            lk.shards.Writer(tmp_path / name, DIM, append=True)
    assert not (tmp_path / "nowhere").exists()
    for dim, rows in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="must be at least 1, received 0"):
            lk.shards.Writer(tmp_path / "nowhere", dim, rows)


@pytest.mark.parametrize("append", [False, True])
def test_a_killed_writer_leaves_the_index_of_before_or_the_new_one(tmp_path, append):
    rng = np.random.default_rng(7)
    codes = rng.standard_normal((24_000, 16), dtype=np.float32)
    labels, ids = rng.integers(9, size=24_000), rng.permutation(24_000)
    old, folder = 6_000, tmp_path / "index"

    def write(first, last):
        with lk.shards.Writer(folder, 16, 4_000, append=first > 0) as writer:
            for begin in range(first, last, 1_500):
                rows = slice(begin, begin + 1_500)
                writer.add(codes[rows], labels[rows], ids[rows])

    def begin_again():
        shutil.rmtree(folder, ignore_errors=True)
        if append:
            write(0, old)

    def work():
        write(old if append else 0, 24_000)

    begin_again()
    began = time.perf_counter()
    work()
    usual = time.perf_counter() - began
    kills = 0
    while kills < scaled(10):
        begin_again()
        kills += killed(work, rng.uniform(0, 1.2 * usual))
        try:
            found = lk.shards.open(folder)
        except FileNotFoundError:
            assert not append
            count = 0
        else:
            count = len(found)
            assert found.codes.tobytes() == codes[:count].tobytes()
            assert found.labels.tolist() == labels[:count].tolist()
            assert found.ids.tolist() == ids[:count].tolist()
        assert count in ((old, 24_000) if append else (0, 24_000))
        # The next writer deletes what the killed one has left.
        with lk.shards.Writer(folder, 16, append=count > 0):
            listed = [] if count == 0 else [each.file for each in read_newest(folder).shards]
            manifests = [name for name in os.listdir(folder) if name.startswith("manifest-")]
            assert sorted(os.listdir(folder)) == sorted([*listed, *manifests])
            assert len(manifests) == (count > 0)
