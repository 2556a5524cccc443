"""Reading of IDX files, and errors that name a damaged file."""

import gzip

import numpy as np
import pytest

from dataset_files import write_idx
from latentknn import datasets
from latentknn.datasets.idx import idx_header, read_idx


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("shape", [(7,), (0,), (3, 4, 5), (2, 3, 4, 3)])
def test_idx_round_trip(tmp_path, shape, compressed):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_idx(tmp_path / "file", array, compressed)
    found = read_idx(tmp_path / "file")
    assert found.dtype == np.uint8
    assert found.shape == shape
    assert found.tobytes() == array.tobytes()


def test_idx_bytes_are_those_of_the_format(tmp_path):
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 1, 0]) + bytes(512)
    (tmp_path / "file").write_bytes(content)
    found = read_idx(tmp_path / "file")
    assert found.shape == (2, 256)
    assert idx_header(found) + found.tobytes() == content


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda content: b"", "found nothing"),
        (lambda content: b"\x00\x00\x0d" + content[3:], "found 00 00 0d 03"),
        (lambda content: b"PK\x03\x04" + content[4:], "found 50 4b 03 04"),
        (lambda content: content[:9], "ends inside its header"),
        (lambda content: content[:-1], "holds 75 bytes (decompressed), expected 76"),
        (lambda content: content + b"\x00", "holds 77 bytes (decompressed), expected 76"),
        (lambda content: gzip.compress(content)[:-12], "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:4], "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:-8] + bytes(8), "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:12] + b"\xff" * 40, "cannot be decompressed"),
    ],
    ids=[
        "empty",
        "type",
        "magic",
        "header",
        "short",
        "long",
        "truncated-gz",
        "gz-header",
        "gz-checksum",
        "gz-content",
    ],
)
def test_damaged_idx_files_are_named(tmp_path, damage, complaint):
    path = tmp_path / "train-images-idx3-ubyte"
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    path.write_bytes(damage(idx_header(array) + array.tobytes()))
    with pytest.raises(datasets.DatasetCorruptError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)
