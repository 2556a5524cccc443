"""Indexes in folders of shards: each save writes what is new, and what is loaded is what was saved."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest

import latentknn as lk
import reference
from checking import assert_same_bytes
from index_cases import assert_same_index
from latentknn.files.folder import WritableFolder
from latentknn.files.header import HEADER_BYTES
from latentknn.files.manifest import read_newest

CODES = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
IDS = np.random.default_rng(1).permutation(60) - 20
NAMES = np.array(["ant", "größer", "", "bee"])[np.arange(60) % 4]

LABELS = {
    "no labels": None,
    "strings": NAMES,
    "bytes": np.array([b"a", b"bc"])[np.arange(60) % 2],
    "booleans": np.arange(60) % 2 == 0,
    "small integers": (np.arange(60) % 5).astype(np.int8),
    "floats with infinity": np.array([0.5, np.inf])[np.arange(60) % 2],
    "another byte order": (np.arange(60) % 5).astype(">i4"),
}


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


def index_of(count, labels=NAMES, ids=None, first=0):
    part = slice(first, first + count)
    return lk.CosineIndex.from_codes(
        CODES[part],
        None if labels is None else labels[part],
        None if ids is None else ids[part],
        engine="cpu",
    )


def saved(index, path):
    """Save an index, check that it loads as it is, and return the files that stayed and the new ones."""
    before = {each.name: each.stat().st_ino for each in path.iterdir()}
    index.save(path)
    assert_same_index(lk.CosineIndex.load(path), index)
    after = {each.name: each.stat().st_ino for each in path.iterdir()}
    staying = {name for name, number in after.items() if before.get(name) == number}
    manifest = read_newest(path)
    assert after.keys() == {manifest.file_name, *(shard.file for shard in manifest.shards)}
    return sorted(staying), sorted(after.keys() - staying)


@pytest.mark.parametrize("ids", [None, IDS])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_folder_gives_the_index_back(path, labels, ids):
    index = index_of(40, labels, ids)
    saved(index, path)
    index.add(CODES[40:], None if labels is None else labels[40:], None if ids is None else ids[40:])
    saved(index, path)
    loaded = lk.CosineIndex.load(path, engine="cpu", threads=1)
    assert_same_bytes(
        loaded.search(CODES, 7, scores64=True),
        reference.search(CODES, CODES, 7, ids=None if ids is None else ids.tolist()),
    )
    assert loaded.ids.tolist() == index.ids.tolist()


def test_each_save_writes_one_shard_of_what_is_new(path):
    index = index_of(30)
    assert saved(index, path) == ([], ["manifest-000001.json", "shard-000001-0000.safetensors"])
    for number, first in enumerate((30, 40, 50), 2):
        index.add(CODES[first : first + 10], NAMES[first : first + 10])
        _, new = saved(index, path)
        assert new == [f"manifest-{number:06d}.json", f"shard-{number:06d}-0000.safetensors"]
    assert [shard.rows for shard in read_newest(path).shards] == [30, 10, 10, 10]


def test_saving_what_is_saved_writes_nothing(path):
    index = index_of(30, ids=IDS)
    saved(index, path)
    assert saved(index, path) == (["manifest-000001.json", "shard-000001-0000.safetensors"], [])
    loaded = lk.CosineIndex.load(path)
    assert saved(loaded, path)[1] == []


def test_an_index_that_was_loaded_goes_on_where_it_was_saved(path):
    saved(index_of(30), path)
    loaded = lk.CosineIndex.load(path)
    loaded.add(CODES[30:], NAMES[30:])
    assert saved(loaded, path) == (
        ["shard-000001-0000.safetensors"],
        ["manifest-000002.json", "shard-000002-0000.safetensors"],
    )


def test_codes_that_were_removed_change_the_shards_from_theirs_on(path):
    index = index_of(20)
    saved(index, path)
    for first in (20, 40):
        index.add(CODES[first : first + 20], NAMES[first : first + 20])
        saved(index, path)
    index.remove([25])
    assert saved(index, path) == (
        ["shard-000001-0000.safetensors"],
        ["manifest-000004.json", "shard-000004-0000.safetensors"],
    )
    index.add(CODES[:1], ["new"])
    assert index.ids[-1] == 60
    saved(index, path)


def test_ids_of_removed_codes_are_not_given_again(path):
    index = index_of(5)
    index.remove([4])
    saved(index, path)
    loaded = lk.CosineIndex.load(path)
    loaded.add(CODES[:1], ["new"])
    assert loaded.ids.tolist() == [0, 1, 2, 3, 5]
    loaded.remove(loaded.ids)
    saved(loaded, path)
    loaded = lk.CosineIndex.load(path)
    loaded.add(CODES[:2])
    assert loaded.ids.tolist() == [6, 7]


def test_wider_strings_leave_the_shards_and_wider_numbers_do_not(path):
    index = index_of(10)
    saved(index, path)
    index.add(CODES[10:12], ["a much longer label", "b"])
    assert saved(index, path)[0] == ["shard-000001-0000.safetensors"]
    index = lk.CosineIndex.from_codes(CODES[:10], np.arange(10, dtype=np.int8))
    saved(index, path)
    index.add(CODES[10:12], [1000, 2000])
    assert saved(index, path)[0] == []


def test_the_manifest_lists_classes(path):
    index = index_of(10)
    saved(index, path)
    assert read_newest(path).classes == ("", "ant", "bee", "größer")
    index.add(CODES[10:12], ["zebra", "ant"])
    saved(index, path)
    assert read_newest(path).classes == ("", "ant", "bee", "größer", "zebra")
    index.remove(index.ids[index.labels == "bee"])
    saved(index, path)
    assert read_newest(path).classes == tuple(index.classes)


@pytest.mark.parametrize("other", [index_of(20, first=30), index_of(30, labels=None), lk.CosineIndex(3)])
def test_another_index_replaces_the_one_of_before(path, other):
    saved(index_of(30), path)
    saved(other, path)
    assert read_newest(path).generation == 2


def test_an_empty_index_is_saved_and_grows(path):
    index = lk.CosineIndex(8)
    saved(index, path)
    index.add(CODES, NAMES)
    saved(index, path)


def test_a_path_that_ends_in_a_separator_is_a_folder_that_is_made(tmp_path):
    index_of(10).save(f"{tmp_path}/index/")
    assert len(lk.CosineIndex.load(tmp_path / "index")) == 10
    with pytest.raises(FileNotFoundError, match="nowhere"):
        index_of(10).save(f"{tmp_path}/nowhere/index/")
    with pytest.raises(OSError, match="manifest-000001"):
        index_of(10).save(f"{tmp_path}/index/manifest-000001.json/")


def test_a_shard_whose_header_is_damaged_is_written_anew(path):
    index = index_of(30)
    saved(index, path)
    shard = path / "shard-000001-0000.safetensors"
    content = bytearray(shard.read_bytes())
    content[HEADER_BYTES - 1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match="shard-000001"):
        lk.CosineIndex.load(path)
    assert saved(index, path)[0] == []
    os.unlink(path / "shard-000002-0000.safetensors")
    with pytest.raises(FileNotFoundError, match="shard-000002"):
        lk.CosineIndex.load(path)
    saved(index, path)


def test_one_shard_is_not_an_index(path):
    index_of(30).save(path)
    with pytest.raises(ValueError, match="one shard of an index; load the folder"):
        lk.CosineIndex.load(path / "shard-000001-0000.safetensors")


def test_a_folder_that_is_being_changed_is_not_saved_to(path):
    index_of(10).save(path)
    with WritableFolder(path), pytest.raises(BlockingIOError, match="index"):
        index_of(30).save(path)
    assert len(lk.CosineIndex.load(path)) == 10


def test_labels_that_cannot_be_saved_change_nothing(path):
    index_of(10).save(path)
    index = lk.CosineIndex.from_codes(CODES[:2], np.array(["2020", "2021"], "M8[Y]"))
    for target in (path, path.parent / "file"):
        with pytest.raises(TypeError, match="datetime64"):
            index.save(target)
    assert len(lk.CosineIndex.load(path)) == 10
    assert os.listdir(path.parent) == ["index"]


@pytest.mark.parametrize("name", ["file", "folder/"])
def test_saving_takes_no_memory_of_the_size_of_the_codes(tmp_path, name):
    codes = np.zeros((1 << 16, 128), np.float32)
    codes[:, 0] = 1
    index = lk.CosineIndex.from_codes(codes, engine="cpu", strategy="float64")
    del codes
    tracemalloc.start()
    try:
        for _ in range(2):
            index.save(f"{tmp_path}/{name}")
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def test_an_index_tells_whether_its_file_had_digests(tmp_path, path):
    index = index_of(10)
    assert index.explain().origin == ""
    assert "loaded" not in str(index.explain())
    index.save(path)
    index.save(tmp_path / "file")
    for each in (path, tmp_path / "file"):
        assert "compared with its digest" in str(lk.CosineIndex.load(each).explain())
