"""Shards and manifests of a folder: what is written is read, and what is not whole is refused."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from latentknn.files.digests import BLOCK_BYTES
from latentknn.files.folder import WritableFolder
from latentknn.files.header import HEADER_BYTES
from latentknn.files.label_columns import narrowed
from latentknn.files.manifest import Manifest, generations, read_newest, write_next
from latentknn.files.shard import ShardWriter, read_shard, write_shard

ROWS, DIM = 700, 5
CODES = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
IDS = np.random.default_rng(1).permutation(ROWS).astype(np.int64) - 10
NAME = "shard-000001-0000.safetensors"

LABELS = {
    "no labels": None,
    "strings of several widths": np.array(["", "größer", "靴", "a b\n", "x" * 30])[np.arange(ROWS) % 5],
    "bytes": np.array([b"a", b"bcd"])[np.arange(ROWS) % 2],
    "booleans": np.arange(ROWS) % 2 == 0,
    **{f"numbers of {dtype}": (np.arange(ROWS) % 100).astype(dtype) for dtype in "bBhHiIlLefd"},
}


def assert_columns(columns, codes, ids, labels):
    assert columns.codes.tobytes() == codes.tobytes()
    assert columns.codes.shape == codes.shape
    for found, wanted in ((columns.ids, ids), (columns.labels, labels)):
        assert (found is None) == (wanted is None)
        assert wanted is None or (found.tolist() == wanted.tolist() and found.dtype.kind == wanted.dtype.kind)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("ids", [None, IDS])
def test_a_shard_is_read_as_it_was_written(tmp_path, ids, labels, mapped, verified):
    entry = write_shard(tmp_path, NAME, CODES, ids, labels)
    assert (entry.file, entry.rows, entry.first) == (NAME, ROWS, 0)
    assert entry.bytes == os.path.getsize(tmp_path / NAME)
    assert os.listdir(tmp_path) == [NAME]
    columns = read_shard(tmp_path, entry, mapped=mapped, verified=verified)
    assert_columns(columns, CODES, ids, labels)
    assert columns.codes.ctypes.data % (64 if mapped else 16) == 0
    if labels is not None:
        assert columns.labels.dtype.kind in "US" or columns.labels.dtype == labels.dtype


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_batches_write_the_same_bytes_as_one(tmp_path, labels):
    whole = write_shard(tmp_path, NAME, CODES, IDS, labels)
    content = (tmp_path / NAME).read_bytes()
    with ShardWriter(tmp_path, NAME, DIM) as writer:
        for begin, end in ((0, 0), (0, 3), (3, 500), (500, 500), (500, ROWS)):
            part = None if labels is None else labels[begin:end]
            # Strings of the first batches are narrower than those of the whole.
            writer.add(
                CODES[begin:end], IDS[begin:end], narrowed(part) if part is not None and end < 500 else part
            )
        assert writer.rows == ROWS
        assert writer.finish() == whole
    assert (tmp_path / NAME).read_bytes() == content


def test_a_shard_without_codes_is_read(tmp_path):
    entry = write_shard(tmp_path, NAME, CODES[:0])
    for mapped in (False, True):
        assert_columns(read_shard(tmp_path, entry, mapped=mapped), CODES[:0], None, None)


def test_other_readers_of_safetensors_read_a_shard(tmp_path):
    write_shard(tmp_path, NAME, CODES, IDS, LABELS["booleans"])
    tensors = load_file(tmp_path / NAME)
    assert np.array_equal(tensors["codes"], CODES)
    assert np.array_equal(tensors["ids"], IDS)
    assert np.array_equal(tensors["labels"], LABELS["booleans"])


@pytest.mark.parametrize("mapped", [False, True])
def test_every_block_is_verified(tmp_path, mapped):
    codes = np.zeros((BLOCK_BYTES * 5 // 2 // 256, 64), np.float32)
    entry = write_shard(tmp_path, NAME, codes, np.arange(len(codes)))
    content = bytearray((tmp_path / NAME).read_bytes())
    for position in (0, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7, codes.nbytes - 1, codes.nbytes):
        content[HEADER_BYTES + position] ^= 16
        (tmp_path / NAME).write_bytes(content)
        with pytest.raises(ValueError, match=f"{NAME}.*byte {position // BLOCK_BYTES * BLOCK_BYTES:,} of"):
            read_shard(tmp_path, entry, mapped=mapped)
        changed = read_shard(tmp_path, entry, mapped=mapped, verified=False)
        assert changed.codes.any() or (changed.ids != np.arange(len(codes))).any()
        content[HEADER_BYTES + position] ^= 16


def test_a_shard_that_the_entry_does_not_mean_is_refused(tmp_path):
    entry = write_shard(tmp_path, NAME, CODES)
    write_shard(tmp_path, NAME, CODES[::-1])
    with pytest.raises(ValueError, match="another one than the manifest lists"):
        read_shard(tmp_path, entry)
    os.unlink(tmp_path / NAME)
    with pytest.raises(FileNotFoundError, match=NAME):
        read_shard(tmp_path, entry)


def test_batches_that_do_not_fit_are_refused_and_leave_nothing(tmp_path):
    labels = np.arange(ROWS)
    for batch, error, match in (
        ((CODES.astype(np.float64), IDS, labels), TypeError, "float64"),
        ((CODES, IDS.astype(np.int32), labels), TypeError, "int32"),
        ((CODES[:, 1:], IDS, labels), ValueError, r"\(n, 5\)"),
        ((CODES, IDS[1:], labels), ValueError, "ids must have shape"),
        ((CODES, IDS, labels[1:]), ValueError, "labels must have shape"),
        ((CODES, None, labels), ValueError, "all batches have ids"),
        ((CODES, IDS, None), ValueError, "all batches have labels"),
        ((CODES, IDS, labels.astype(object)), TypeError, "dtype object"),
        ((CODES, IDS, labels.astype(str)), ValueError, "dtype <U21 cannot follow those of dtype int64"),
    ):
        with ShardWriter(tmp_path, NAME, DIM) as writer:
            writer.add(CODES, IDS, labels)
            with pytest.raises(error, match=match):
                writer.add(*batch)
        assert os.listdir(tmp_path) == []


def test_a_shard_that_is_not_finished_leaves_nothing(tmp_path):
    with ShardWriter(tmp_path, NAME, DIM) as writer:
        writer.add(CODES)
    writer.discard()
    assert os.listdir(tmp_path) == []


def committed(path, *parts):
    """Write a folder of shards, one for each part of the codes."""
    with WritableFolder(path) as folder:
        entries = []
        for part in parts:
            first = sum(entry.rows for entry in entries)
            entries.append(write_shard(folder.path, folder.new_name(), part, first=first))
        generation = folder.manifest.generation if folder.manifest else 0
        return folder.commit(Manifest(DIM, tuple(entries), 2 * ROWS, generation=generation))


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    manifest = Manifest(
        dim=3,
        shards=(),
        next_id=2**63 - 1,
        own_ids=True,
        labels_dtype="<U2",
        encoder="größer\n",
        generation=6,
    )
    for classes in (None, ("a", "靴"), (1, 2**63), (False, True), (0.1, 2.5)):
        (tmp_path / "manifest-000006.json").write_bytes(b"")
        written = write_next(tmp_path, replace(manifest, classes=classes))
        assert written == replace(manifest, classes=classes, generation=7)
        assert (tmp_path / "manifest-000007.json").is_file()
        assert read_newest(tmp_path) == written
        os.unlink(tmp_path / "manifest-000007.json")


def test_a_generation_replaces_that_of_before(tmp_path):
    path = tmp_path / "index"
    first = committed(path, CODES[:3], CODES[3:])
    assert first.generation == 1
    assert read_newest(path) == first
    second = committed(path, CODES[5:])
    assert second.generation == 2
    assert read_newest(path) == second
    assert sorted(os.listdir(path)) == ["manifest-000002.json", "shard-000002-0000.safetensors"]
    assert_columns(read_shard(path, second.shards[0]), CODES[5:], None, None)


def test_a_change_to_an_older_generation_is_refused(tmp_path):
    committed(tmp_path, CODES)
    newest = committed(tmp_path, CODES[1:])
    with pytest.raises(ValueError, match="holds generation 2, and the change was made to generation 1"):
        write_next(tmp_path, replace(newest, generation=1))
    assert generations(tmp_path) == [2]


def test_what_is_not_committed_is_deleted(tmp_path):
    manifest = committed(tmp_path, CODES)
    with WritableFolder(tmp_path) as folder:
        assert folder.manifest == manifest
        write_shard(folder.path, folder.new_name(), CODES)
        assert len(os.listdir(tmp_path)) == 3
    assert len(os.listdir(tmp_path)) == 2
    assert read_newest(tmp_path) == manifest


def test_a_folder_has_one_writer_at_a_time(tmp_path):
    with WritableFolder(tmp_path), pytest.raises(BlockingIOError, match="being changed"):
        WritableFolder(tmp_path)
    with WritableFolder(tmp_path):
        pass


def test_a_folder_of_other_files_is_not_written_to(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(IsADirectoryError, match=r"letter\.txt"):
        WritableFolder(tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_a_damaged_newest_manifest_is_named_and_nothing_is_deleted(tmp_path):
    committed(tmp_path, CODES)
    older = (tmp_path / "manifest-000001.json").read_bytes()
    (tmp_path / "manifest-000002.json").write_bytes(older)
    for read in (read_newest, WritableFolder):
        with pytest.raises(ValueError, match=r"manifest-000002\.json"):
            read(tmp_path)
    assert len(os.listdir(tmp_path)) == 3


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no manifest"):
        read_newest(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_newest(tmp_path / "nowhere")
