"""Files of models: a damaged one is named, and none takes more memory than it looks like."""

from __future__ import annotations

import io
import os
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from latentknn import models
from latentknn.models.base.model_file import check_model_file
from scale import SCALE
from small_models import small_model

FILES = Path(__file__).parent / "files"
WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    small_model("stacked_ae").save(path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "damaged model.keras"


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(path, files, compression=zipfile.ZIP_STORED, comment=b""):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.comment = comment
        for name, content in files.items():
            archive.writestr(name, content)


def weights_of(fill):
    """Return an HDF5 file that a function has filled."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


def assert_refused(path, match):
    with pytest.raises(ValueError, match=rf"damaged model\.keras.*{match}"):
        models.load(path)


def test_a_model_file_has_digests_and_only_what_keras_writes(saved):
    with zipfile.ZipFile(saved) as archive:
        assert archive.comment.startswith(b'{"digest":"')
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", WEIGHTS]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def test_no_changed_byte_of_a_model_file_changes_what_it_holds(saved, path):
    """Bytes that tell the time or the tool of an entry do not matter; every other change is an error."""
    wanted, content = contents(saved), saved.read_bytes()
    every = max(1, round(64 / SCALE))
    loaded = 0
    for at in range(len(content)):
        if at % every and 300 < at < len(content) - 900:
            continue
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        try:
            check_model_file(path)
        except ValueError:
            continue
        assert contents(path) == wanted, f"byte {at}"
        loaded += 1
    assert loaded < 200


def test_changed_weights_are_named_where_the_archive_is_whole(saved, path):
    """The archive has sums of its own: a program that wrote it anew would have made them fit."""
    files = contents(saved)
    with zipfile.ZipFile(saved) as archive:
        comment = archive.comment
    changed = bytearray(files[WEIGHTS])
    changed[-1] ^= 1
    archive_of(path, files | {WEIGHTS: bytes(changed)}, comment=comment)
    assert_refused(path, f"{WEIGHTS} is not what was written")
    archive_of(path, files | {"config.json": files["config.json"] + b" "}, comment=comment)
    assert_refused(path, "config.json is not what was written")
    archive_of(path, files, comment=comment.replace(b"model 1", b"model 2"))
    assert_refused(path, "digests are not what was written")
    archive_of(path, files, comment=comment)
    models.load(path)


def test_a_truncated_model_file_is_named(saved, path):
    content = saved.read_bytes()
    for length in (0, 1, 22, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert_refused(path, "")


@pytest.mark.parametrize("name", ["config.json", "metadata.json", WEIGHTS])
def test_a_model_file_that_lacks_an_entry_is_named(saved, path, name):
    archive_of(path, {other: content for other, content in contents(saved).items() if other != name})
    assert_refused(path, "it holds")


def test_a_model_file_with_other_entries_is_named(saved, path):
    archive_of(path, contents(saved) | {"more.py": b"print()"})
    assert_refused(path, r"more\.py")


def test_a_configuration_that_keras_cannot_read_is_named(saved, path):
    for config in (b"", b"[]", b"{}", b'{"class_name": "Nothing"}'):
        archive_of(path, contents(saved) | {"config.json": config})
        assert_refused(path, "")


def fill_nothing(file):
    pass


def fill_unwritten(file):
    file.create_dataset("layers/vars/0", (1 << 30,), "f4")


def fill_chunks(file):
    file.create_dataset("layers/vars/0", (1 << 24,), "f4", chunks=(1 << 20,), compression="gzip")[:] = 0


def fill_outside(file):
    file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def fill_soft_link(file):
    file["layers"] = h5py.SoftLink("/")


def fill_virtual(file):
    layout = h5py.VirtualLayout((1 << 30,), "f4")
    file.create_virtual_dataset("layers", layout)


def fill_external(file):
    file.create_dataset("layers", (4,), "f4", external=[("/etc/passwd", 0, 16)])


LARGE = {
    "arrays that were never written": (fill_unwritten, "claim more"),
    "packed arrays": (fill_chunks, "no plain array"),
    "another file": (fill_outside, "links"),
    "a link to itself": (fill_soft_link, "links"),
    "a virtual array": (fill_virtual, "no plain array"),
    "an array of another file": (fill_external, "no plain array"),
}


@pytest.mark.parametrize(("fill", "match"), LARGE.values(), ids=LARGE)
def test_weights_that_claim_more_than_they_hold_are_refused(saved, path, fill, match):
    archive_of(path, contents(saved) | {WEIGHTS: weights_of(fill)})
    assert_refused_in_little_memory(path, match)


def assert_refused_in_little_memory(path, match):
    tracemalloc.start()
    try:
        assert_refused(path, match)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_refused(saved, path):
    """300 MB of zeros make a file of 300 kB."""
    archive_of(path, contents(saved) | {WEIGHTS: bytes(300_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 400_000
    assert_refused_in_little_memory(path, "unpacks to 300,000,000 bytes")


def test_a_directory_that_belittles_an_entry_is_refused(saved, path):
    archive_of(path, contents(saved) | {WEIGHTS: bytes(300_000_000)}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    size, small = ((300_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, small))
    assert_refused_in_little_memory(path, "")


def test_weights_of_zeros_load_where_they_are_compressed(saved, path):
    """Version 0.1 loads such files: what an optimizer has not used are zeros."""
    archive_of(path, contents(saved), zipfile.ZIP_DEFLATED)
    check_model_file(path)
    for name in ("stacked_ae", "metric"):
        check_model_file(FILES / f"{name}.keras")


def test_a_model_file_keeps_its_mode_and_its_link(tmp_path, saved):
    model = small_model("stacked_ae")
    target, link = tmp_path / "model.keras", tmp_path / "link.keras"
    shutil.copy(saved, target)
    target.chmod(0o640)
    link.symlink_to(target)
    before = target.stat().st_ino
    model.save(link)
    assert link.is_symlink()
    assert target.stat().st_ino != before
    assert target.stat().st_mode & 0o777 == 0o640
    long_name = tmp_path / ("n" * (255 - len(".keras")) + ".keras")
    model.save(long_name)
    assert np.isfinite(models.load(long_name).encode(np.zeros((1, 8, 8, 1), np.float32))).all()
    assert len(os.listdir(tmp_path)) == 3
