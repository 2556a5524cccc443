"""Files that are written as a whole or not at all: their modes, links, names and what killed writers left."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from latentknn.atomic_file import atomic_file


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def replace_itself(path):
    """Write as safetensors does: by another file that is renamed."""
    save_file({"a": np.ones(3)}, path)


def write_in_place(path):
    path.write_bytes(b"content")


@pytest.mark.parametrize("write", [write_in_place, replace_itself])
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_umask_gives(tmp_path, write, mask, mode):
    before = os.umask(mask)
    try:
        with atomic_file(tmp_path / "file") as unfinished:
            write(unfinished)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == mode


@pytest.mark.parametrize("write", [write_in_place, replace_itself])
def test_a_file_has_the_mode_of_the_one_that_it_replaces(tmp_path, write):
    path = tmp_path / "file"
    path.touch()
    for mode in (0o640, 0o444, 0o755):
        path.chmod(mode)
        with atomic_file(path) as unfinished:
            write(unfinished)
        assert mode_of(path) == mode
        assert path.stat().st_size > 0


def test_a_file_that_a_library_replaces_is_the_one_that_gets_the_name(tmp_path):
    with atomic_file(tmp_path / "file") as unfinished:
        replace_itself(unfinished)
    assert load_file(tmp_path / "file")["a"].tolist() == [1, 1, 1]
    assert os.listdir(tmp_path) == ["file"]


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    for content in (b"the first", b"another"):
        with atomic_file(tmp_path / "link") as unfinished:
            assert unfinished.parent == tmp_path / "folder"
            unfinished.write_bytes(content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == content
    assert os.listdir(tmp_path / "folder") == ["file"]


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    for name in ("n" * 255, "ü" * 127, "n" * 249 + ".keras"):
        with atomic_file(tmp_path / name, ".keras") as unfinished:
            unfinished.write_bytes(b"content")
        assert (tmp_path / name).read_bytes() == b"content"


def test_what_a_killed_writer_left_is_deleted_and_nothing_else(tmp_path):
    left = [".latentknn-0123456789abcdef.tmp", ".latentknn-fedcba9876543210.tmp.keras"]
    others = [".latentknn-notes.tmp", "latentknn-0123456789abcdef.tmp", ".index-abc", "index"]
    for name in left + others:
        (tmp_path / name).write_bytes(b"content")
    with atomic_file(tmp_path / "file"), atomic_file(tmp_path / "another file"):
        assert len(os.listdir(tmp_path)) == len(others) + 2
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "file", "another file"])


def test_an_error_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write():
        with atomic_file(path) as unfinished:
            unfinished.write_bytes(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_file_and_its_folder_are_on_the_disk_when_the_name_is_given(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)

        def noted(*arguments, name=name, original=original):
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            steps.append("fsync of the folder" if is_folder else name)
            return original(*arguments)

        monkeypatch.setattr(os, name, noted)
    with atomic_file(tmp_path / "file") as unfinished:
        unfinished.write_bytes(b"content")
    assert steps == ["fsync", "replace", "fsync of the folder"]
