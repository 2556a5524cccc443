"""Saves that are killed or fail: the old index or the new one is there, whole, and nothing stays behind."""

from __future__ import annotations

import errno
import io
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
from killing import killed
from latentknn.files.folder import WritableFolder
from latentknn.files.shard import ShardWriter
from latentknn.index import storage
from latentknn.index.labelled_rows import LabelledRows
from latentknn.index.storage import SavedIndex, read_index, write_index
from scale import scaled

DIM = 16
CODES = np.random.default_rng(0).standard_normal((200_000, DIM)).astype(np.float32)


def index_of(count):
    """Return an index of so many codes, whose first label tells how many there are."""
    labels = np.arange(count) % 7
    labels[:1] = count
    return SavedIndex(DIM, lambda first, last: CODES[first:last], LabelledRows(count, labels, None, count))


def growing(count):
    """Return an index of so many codes, of which the first are those of every smaller one."""
    rows = LabelledRows(count, np.arange(count) % 7, None, count)
    return SavedIndex(DIM, lambda first, last: CODES[first:last], rows)


def assert_is(path, index):
    found = read_index(path)
    assert found.codes.tobytes() == index.codes(0, index.rows.count).tobytes()
    assert found.rows.labels.tolist() == index.rows.labels.tolist()
    assert found.verified


def files_below(path):
    return sorted(os.listdir(path if path.is_dir() else path.parent))


KINDS = {
    "of a file": ("index", index_of, (40_000, 15_000)),
    "of a folder": ("index/", index_of, (40_000, 15_000)),
    "that appends": ("index/", growing, (15_000, 40_000)),
}


@pytest.mark.parametrize(("name", "make", "counts"), KINDS.values(), ids=KINDS)
def test_a_killed_save_leaves_the_old_index_or_the_new_one(tmp_path, name, make, counts):
    path = f"{tmp_path}/{name}"
    generator = np.random.default_rng(1)
    old, new = map(make, counts)
    write_index(path, old)
    begin = time.perf_counter()
    write_index(path, new)
    usual = time.perf_counter() - begin
    kills = 0
    while kills < scaled(20):
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        write_index(path, old)
        kills += killed(lambda: write_index(path, new), generator.uniform(0, 1.2 * usual))
        found = read_index(path)
        assert_is(path, {old.rows.count: old, new.rows.count: new}[found.rows.count])
        write_index(path, new)
        assert_is(path, new)
        left = files_below(Path(path))
        assert len(left) == (1 if name == "index" else 2 if make is index_of else 3), left


def test_a_process_killed_as_it_compacts_and_saves_leaves_the_old_index_or_the_new_one(tmp_path):
    path, removed = tmp_path / "index", np.arange(0, 20_000, 10)
    generator = np.random.default_rng(2)
    old, new, compacted = (lk.CosineIndex.from_codes(CODES[:20_000], threads=2) for _ in range(3))
    new.remove(removed)
    compacted.remove(removed)
    content = {len(index): index.codes.tobytes() + index.ids.tobytes() for index in (old, new)}

    def work(index):
        index.compact()
        index.save(f"{path}/")

    begin = time.perf_counter()
    work(compacted)
    usual = time.perf_counter() - begin
    kills = 0
    while kills < scaled(10):
        shutil.rmtree(path)
        old.save(f"{path}/")
        kills += killed(lambda: work(new), generator.uniform(0, 1.2 * usual))
        found = lk.CosineIndex.load(path)
        assert found.codes.tobytes() + found.ids.tobytes() == content[len(found)]
        compacted.save(path)
        assert len(os.listdir(path)) == 2


def test_a_killed_writer_of_shards_leaves_nothing(tmp_path):
    def write():
        with WritableFolder(tmp_path) as folder, ShardWriter(tmp_path, folder.new_name(), DIM) as writer:
            while True:
                writer.add(CODES[:1000], np.arange(1000))

    for _ in range(scaled(5)):
        assert killed(write, 0.03)
        with WritableFolder(tmp_path):
            assert os.listdir(tmp_path) == []


def test_what_another_process_is_writing_stays(tmp_path):
    """Of two unfinished files, the next save deletes the one whose writer was killed."""
    reading, writing = os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            with ShardWriter(tmp_path, "shard-1.safetensors", DIM) as writer:
                writer.add(CODES[:10])
                os.write(writing, b".")
                signal.pause()
        os.read(reading, 1)
        children.append(child)
    assert len(os.listdir(tmp_path)) == 2
    os.kill(children[0], signal.SIGKILL)
    os.waitpid(children[0], 0)
    write_index(tmp_path / "index", index_of(5))
    assert len(os.listdir(tmp_path)) == 2
    os.kill(children[1], signal.SIGKILL)
    os.waitpid(children[1], 0)
    write_index(tmp_path / "index", index_of(5))
    assert os.listdir(tmp_path) == ["index"]


def error_of(work):
    try:
        work()
    except OSError as error:
        return error
    return None


class Failing:
    """Counts the calls by which a save changes a file system, and lets one of them fail."""

    NAMES = ("open", "fsync", "replace", "fchmod", "listdir", "mkdir", "fstat")

    def __init__(self, monkeypatch, number):
        self.calls = 0
        self.at = -1
        self.error = OSError(number, os.strerror(number))
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self.wrapped(getattr(os, name)))
        failing = self

        class File(io.FileIO):
            def write(self, data):
                failing.count()
                return super().write(data)

        def open_file(path, mode="r", buffering=-1, **options):
            return File(path, mode) if "w" in mode else open(path, mode, buffering, **options)

        monkeypatch.setattr(Path, "open", open_file)

    def wrapped(self, original):
        def call(*arguments, **options):
            self.count()
            return original(*arguments, **options)

        return call

    def count(self):
        self.calls += 1
        if self.calls == self.at:
            raise self.error

    def fail_at(self, call):
        self.calls, self.at = 0, call


@pytest.mark.parametrize(
    ("name", "make", "number"),
    [
        ("index", index_of, errno.ENOSPC),
        ("index", index_of, errno.EROFS),
        ("index/", index_of, errno.EDQUOT),
        ("index/", growing, errno.EIO),
    ],
)
def test_each_call_that_fails_leaves_the_old_index_or_the_new_one(tmp_path, monkeypatch, name, make, number):
    path = f"{tmp_path}/{name}"
    old, new = make(3000), make(5000)
    failed = 0
    with monkeypatch.context() as patch:
        failing = Failing(patch, number)
        for call in range(1, 1000):
            failing.fail_at(0)
            if os.path.isdir(path):
                shutil.rmtree(path)
            write_index(path, old)
            failing.fail_at(call)
            error = error_of(lambda: write_index(path, new))
            if error is not None:
                assert error.errno == number
                assert str(error.filename).startswith(path.rstrip("/"))
                failed += 1
            finished = failing.calls < call
            failing.fail_at(0)
            found = read_index(path)
            assert_is(path, {3000: old, 5000: new}[found.rows.count])
            write_index(path, new)
            assert_is(path, new)
            # A shard that cannot be read is written anew with the others.
            counts = {1} if name == "index" else {2} if make is index_of else {2, 3}
            assert len(files_below(Path(path))) in counts
            if finished:
                break
    assert finished
    assert failed > 8


def test_a_file_that_cannot_grow_leaves_the_old_index(tmp_path):
    """The kernel refuses to write beyond a limit, as it does on a full disk."""
    path = tmp_path / "index"
    old, new = index_of(10), index_of(5000)
    write_index(path, old)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 1, 1023, 1024, 1025, 100_000, 320_000, 361_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        try:
            with pytest.raises(OSError, match="index") as caught:
                write_index(path, new)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        assert caught.value.errno == errno.EFBIG
        assert_is(path, old)
        assert os.listdir(tmp_path) == ["index"]


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 1 MiB and few files, where this is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-o", "size=1m,nr_inodes=6", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(["mount", "-t", "tmpfs", *options]).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_index(small_disk):
    path = small_disk / "index"
    path.mkdir()
    old = growing(8000)
    write_index(path, old)
    with pytest.raises(OSError, match="index") as caught:
        write_index(path, growing(16000))
    assert caught.value.errno == errno.ENOSPC
    assert_is(path, old)
    write_index(path, growing(8010))
    assert_is(path, growing(8010))
    assert len(os.listdir(path)) == 3


def test_a_disk_without_inodes_leaves_the_old_index(small_disk):
    write_index(small_disk / "index", index_of(10))
    others = [small_disk / f"other {number}" for number in range(4)]
    for other in others:
        other.touch()
    with pytest.raises(OSError, match="index") as caught:
        write_index(small_disk / "index", index_of(20))
    assert caught.value.errno == errno.ENOSPC
    assert_is(small_disk / "index", index_of(10))
    others[0].unlink()
    write_index(small_disk / "index", index_of(20))
    assert_is(small_disk / "index", index_of(20))


def test_reading_that_fails_is_an_error_of_the_system(tmp_path, monkeypatch):
    path = tmp_path / "index"
    write_index(path, index_of(10))

    def fail(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for name in ("pread", "preadv"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="Input/output error") as caught:
                read_index(path)
            assert caught.value.errno == errno.EIO
            assert caught.value.filename == str(path)


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "index"
    write_index(path, index_of(100_000))
    size = path.stat().st_size
    original, calls = os.preadv, 0

    def shorten(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            os.truncate(path, size // 2)
        return original(*arguments)

    monkeypatch.setattr(os, "preadv", shorten)
    with pytest.raises(ValueError, match=r"index.*was not the end"):
        read_index(path)


def test_a_reader_sees_the_generation_that_replaced_the_one_it_began_with(tmp_path, monkeypatch):
    """A writer deletes the shards of before; whoever had read only their manifest begins anew."""
    write_index(f"{tmp_path}/index/", index_of(10))
    original, calls = storage.open_shard, 0

    def replace_first(*arguments):
        nonlocal calls
        calls += 1
        if calls == 1:
            write_index(tmp_path / "index", index_of(20))
        return original(*arguments)

    monkeypatch.setattr(storage, "open_shard", replace_first)
    assert_is(tmp_path / "index", index_of(20))
    os.unlink(tmp_path / "index" / "shard-000002-0000.safetensors")
    with pytest.raises(FileNotFoundError, match="shard-000002"):
        read_index(tmp_path / "index")
