"""Saving and loading of index files, and errors that name a damaged file."""

from __future__ import annotations

import json
import os
import pickle
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import latentknn as lk
import reference
from checking import assert_same_bytes
from index_cases import CODES, LABELS, assert_same_index


@pytest.mark.parametrize(
    "labels",
    [
        None,
        LABELS,
        np.array(["", "größer", "靴", "a b\n", "x" * 300]),
        np.array([3, 1, 3, 2, 1]),
        np.array([3, 1, 3, 2, 255], dtype=np.uint8),
        np.array([True, False, True, True, False]),
    ],
)
def test_save_and_load(tmp_path, labels):
    path = tmp_path / "index.safetensors"
    index = lk.CosineIndex.from_codes(CODES, labels, [4, 3, -(2**63), 0, 2**63 - 1])
    index.save(path)
    loaded = lk.CosineIndex.load(path)
    assert_same_index(loaded, index)
    assert_same_bytes(
        loaded.search(CODES, 5, scores64=True), reference.search(CODES, CODES, 5, ids=index.ids.tolist())
    )
    assert os.listdir(tmp_path) == ["index.safetensors"]


def test_save_and_load_an_empty_index(tmp_path):
    lk.CosineIndex(7).save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors")
    assert len(loaded) == 0
    assert loaded.dim == 7


def test_a_loaded_index_goes_on_counting_ids(tmp_path):
    """Saving loses neither the counter of default ids nor the labels."""
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.remove([4])
    index.save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors", threads=1)
    index.add(CODES[:1], ["hat"])
    loaded.add(CODES[:1], ["hat"])
    assert_same_index(loaded, index)
    assert loaded.ids.tolist() == [0, 1, 2, 3, 5]


def test_ids_of_removed_codes_are_not_given_again_by_a_loaded_or_copied_index(tmp_path):
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.remove(index.ids)
    index.save(tmp_path / "index")
    for same in (index, lk.CosineIndex.load(tmp_path / "index"), pickle.loads(pickle.dumps(index))):
        same.add(CODES[:2])
        assert same.ids.tolist() == [5, 6]


def test_path_may_be_a_string(tmp_path):
    lk.CosineIndex.from_codes(CODES).save(str(tmp_path / "index"))
    assert len(lk.CosineIndex.load(str(tmp_path / "index"))) == 5


def test_file_is_plain_safetensors(tmp_path):
    """Any reader of safetensors gets the codes and ids; nothing in the file is executable."""
    lk.CosineIndex.from_codes(CODES, LABELS).save(tmp_path / "index")
    tensors = load_file(tmp_path / "index")
    assert any(np.array_equal(tensor, CODES) for tensor in tensors.values())
    content = (tmp_path / "index").read_bytes()
    (header_length,) = struct.unpack("<Q", content[:8])
    json.loads(content[8 : 8 + header_length])
    assert b"pickle" not in content
    assert b"numpy" not in content


def test_saving_over_a_file_replaces_it(tmp_path):
    lk.CosineIndex.from_codes(CODES).save(tmp_path / "index")
    lk.CosineIndex.from_codes(CODES[:2]).save(tmp_path / "index")
    assert len(lk.CosineIndex.load(tmp_path / "index")) == 2


def test_failed_rename_leaves_the_old_file(tmp_path, monkeypatch):
    lk.CosineIndex.from_codes(CODES).save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()

    def fail(*_arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        lk.CosineIndex.from_codes(CODES[:2]).save(tmp_path / "index")
    assert (tmp_path / "index").read_bytes() == before
    assert os.listdir(tmp_path) == ["index"]


def test_saving_into_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        lk.CosineIndex.from_codes(CODES).save(tmp_path / "nowhere" / "index")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        lk.CosineIndex.load(tmp_path / "nothing here")


def cut(content):
    return content[: len(content) // 2]


def spoil_header(content):
    return content[:12] + b"\xff\xff" + content[14:]


@pytest.mark.parametrize(
    "spoil", [cut, spoil_header, lambda _: b"", lambda _: b"not an index at all, just text"]
)
def test_a_corrupt_file_is_named(tmp_path, spoil):
    path = tmp_path / "broken index"
    lk.CosineIndex.from_codes(CODES, LABELS).save(path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match="broken index"):
        lk.CosineIndex.load(path)


def test_safetensors_that_are_no_index_are_refused(tmp_path):
    save_file({"weights": CODES}, tmp_path / "model")
    with pytest.raises(ValueError, match="model"):
        lk.CosineIndex.load(tmp_path / "model")


def change_nothing(tensors, metadata):
    pass


def wrong_format(tensors, metadata):
    metadata["format"] = "something else"


def one_dimensional_codes(tensors, metadata):
    tensors["codes"] = tensors["codes"].ravel()


def codes_that_are_not_finite(tensors, metadata):
    tensors["codes"][2, 1] = np.nan


def equal_ids(tensors, metadata):
    tensors["ids"][3] = tensors["ids"][1]


def too_few_ids(tensors, metadata):
    tensors["ids"] = tensors["ids"][:3]


def too_few_labels(tensors, metadata):
    tensors["labels"] = tensors["labels"][:3]


def labels_of_no_known_type(tensors, metadata):
    metadata["labels_dtype"] = "|O"


def labels_of_another_width(tensors, metadata):
    metadata["labels_dtype"] = "<U400"


def no_type_of_labels(tensors, metadata):
    del metadata["labels_dtype"]


def no_next_id(tensors, metadata):
    del metadata["next_id"]


def next_id_that_is_no_number(tensors, metadata):
    metadata["next_id"] = "many"


DAMAGES = [
    *(wrong_format, one_dimensional_codes, codes_that_are_not_finite, equal_ids),
    *(too_few_ids, too_few_labels, labels_of_no_known_type, labels_of_another_width, no_type_of_labels),
    *(no_next_id, next_id_that_is_no_number),
]


def rewrite(path, damage):
    """Change one value in an index file, and leave out the digests: version 0.1 wrote such files."""
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    metadata.pop("digest", None)
    tensors.pop("digests", None)
    damage(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_named(tmp_path, damage):
    """The contents of a file are checked like other input, and the error names the file."""
    path = tmp_path / "damaged index"
    index = lk.CosineIndex.from_codes(CODES, LABELS, [4, 3, -1, 0, 7])
    index.save(path)
    rewrite(path, change_nothing)
    assert_same_index(lk.CosineIndex.load(path), index)
    rewrite(path, damage)
    with pytest.raises(ValueError, match="damaged index"):
        lk.CosineIndex.load(path)
