"""Damaged index files: none loads with other content, and none takes much memory or reading."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
from damaged_files import mutants
from index_cases import assert_same_index
from latentknn.index.storage import read_index
from new_interpreter import run_script
from page_writer import columns, digest_in, manifest, sealed
from scale import SCALE, scaled

ROWS, DIM = 700, 20
GENERATOR = np.random.default_rng(0)
CODES = GENERATOR.standard_normal((ROWS, DIM)).astype(np.float32)
IDS = GENERATOR.permutation(ROWS)
LABELS = np.array(["ant", "bee", "größer"])[np.arange(ROWS) % 3]


def saved_index(path):
    """Save an index of 80 KiB, and return what its file holds."""
    lk.CosineIndex.from_codes(CODES, LABELS, IDS, engine="cpu").save(path)
    return read_index(path)


def saved_folder(path):
    """Save an index to a folder of two shards, and return what it holds."""
    path.mkdir()
    index = lk.CosineIndex.from_codes(CODES[:400], LABELS[:400], IDS[:400], engine="cpu")
    index.save(path)
    index.add(CODES[400:], LABELS[400:], IDS[400:])
    index.save(path)
    assert len(os.listdir(path)) == 3
    return read_index(path)


def loads(path, wanted):
    """Return whether a file loads; what it holds then is what was saved."""
    try:
        found = read_index(path)
    except (ValueError, OSError, MemoryError):
        return False
    assert found.codes.tobytes() == wanted.codes.tobytes()
    assert found.rows.ids.tolist() == wanted.rows.ids.tolist()
    assert found.rows.labels.tolist() == wanted.rows.labels.tolist()
    assert found.rows.next_id == wanted.rows.next_id
    return True


def positions_to_change(content):
    """Return all places of the header and of the digests, and a share of the others."""
    every = max(1, round(16 / SCALE))
    return [at for at in range(len(content)) if at % every == 0 or at < 1200 or at > len(content) - 64]


def test_no_changed_bit_of_a_file_loads(tmp_path):
    path = tmp_path / "index"
    wanted = saved_index(path)
    content = bytearray(path.read_bytes())
    assert len(content) > 65536
    assert loads(path, wanted)
    with path.open("r+b", buffering=0) as file:
        for at in positions_to_change(content):
            os.pwrite(file.fileno(), bytes([content[at] ^ (1 << at % 8)]), at)
            assert not loads(path, wanted), f"byte {at}"
            os.pwrite(file.fileno(), content[at : at + 1], at)
    assert loads(path, wanted)


def test_no_changed_bit_of_a_folder_loads(tmp_path):
    wanted = saved_folder(tmp_path / "index")
    for path in (tmp_path / "index").iterdir():
        content = path.read_bytes()
        for at in positions_to_change(content)[:: 1 if path.suffix == ".json" else 8]:
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
            assert not loads(tmp_path / "index", wanted), f"byte {at} of {path.name}"
        path.write_bytes(content)
    assert loads(tmp_path / "index", wanted)


def test_no_truncated_file_loads(tmp_path):
    path = tmp_path / "index"
    wanted = saved_index(path)
    for length in reversed(positions_to_change(path.read_bytes())):
        os.truncate(path, length)
        assert not loads(path, wanted), f"{length} bytes"


def test_no_file_with_more_at_its_end_loads(tmp_path):
    path = tmp_path / "index"
    wanted = saved_index(path)
    for more in (b"\0", b" ", bytes(64), path.read_bytes()):
        content = path.read_bytes()
        path.write_bytes(content + more)
        assert not loads(path, wanted)
        path.write_bytes(content)


MUTANTS = """
import re, sys
from pathlib import Path
from damaged_files import mutants
from test_damaged_indexes import loads, saved_index

def resident():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

path = Path(sys.argv[1])
wanted = saved_index(path)
loads(path, wanted)
before = resident()
loaded = 0
for mutant in mutants(path.read_bytes(), int(sys.argv[2]), int(sys.argv[3])):
    path.write_bytes(mutant)
    loaded += loads(path, wanted)
print(loaded, resident() - before)
"""


def test_mutants_do_not_load_and_take_little_memory(tmp_path):
    """They are loaded in a process of their own, whose end, or its hanging, would fail the test."""
    loaded, memory = map(int, run_script(MUTANTS, str(tmp_path / "index"), str(scaled(1000)), "0").split())
    assert loaded == 0
    assert memory < 64 << 20


def test_mutants_of_a_manifest_do_not_load(tmp_path):
    wanted = saved_folder(tmp_path / "index")
    path = tmp_path / "index" / "manifest-000002.json"
    content = path.read_bytes()
    for mutant in mutants(content, scaled(300), seed=1):
        path.write_bytes(mutant)
        assert not loads(tmp_path / "index", wanted)


def described(**changes):
    """Return a header with one array changed, padded as safetensors pads it."""
    arrays = {"codes": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, **changes}
    text = json.dumps({"__metadata__": {"format": "latentknn index 1", "next_id": "2"}, **arrays}).encode()
    return struct.pack("<Q", len(text)) + text


def claims_rows(count):
    return described(codes={"dtype": "F32", "shape": [count, 3], "data_offsets": [0, 12 * count]})


LARGE = {
    "a header that claims 2^60 rows": (claims_rows(1 << 60), 24),
    "a header that claims 2^32 rows in a sparse file": (claims_rows(1 << 32), 12 << 32),
    "a header of 99 MB": (struct.pack("<Q", 99_000_000) + b"{" + b" " * 200, 99_000_100),
    "a header of 2^63 bytes": (struct.pack("<Q", 1 << 63), 1000),
    "an unknown tensor of 8 GiB": (
        described(other={"dtype": "U8", "shape": [8 << 30], "data_offsets": [24, 24 + (8 << 30)]}),
        24 + (8 << 30),
    ),
    "a sparse file of 1 TiB": (b"", 1 << 40),
    "a sparse file of 1 TiB with a header": (described(), 1 << 40),
    "nested lists": (struct.pack("<Q", 60000) + b"[" * 60000, 24),
    "many digits": (struct.pack("<Q", 60000) + b'{"codes":' + b"9" * 59990 + b"}", 24),
}


@pytest.mark.parametrize(("start", "more"), LARGE.values(), ids=LARGE)
def test_what_a_header_claims_is_refused_before_anything_is_allocated(tmp_path, monkeypatch, start, more):
    path = tmp_path / "large index"
    path.write_bytes(start)
    os.truncate(path, len(start) + more)
    read = 0

    def counted(original):
        def call(file, wanted, *arguments):
            nonlocal read
            read += wanted if isinstance(wanted, int) else sum(map(len, wanted))
            return original(file, wanted, *arguments)

        return call

    monkeypatch.setattr(os, "pread", counted(os.pread))
    monkeypatch.setattr(os, "preadv", counted(os.preadv))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="large index"):
            lk.CosineIndex.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert read <= (1 << 16) + 8


def test_an_index_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    saved_index(tmp_path / "large index")
    saved_folder(tmp_path / "large folder")
    # A machine with so many bytes of memory.
    monkeypatch.setattr(
        os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4, "SC_PHYS_PAGES": ROWS * DIM - 1}[name]
    )
    for name in ("large index", "large folder"):
        with pytest.raises(MemoryError, match=name):
            lk.CosineIndex.load(tmp_path / name)


def test_a_pipe_or_a_device_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "index").mkdir()
    os.mkfifo(tmp_path / "index" / "manifest-000001.json")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path / "index"):
        with pytest.raises(ValueError, match="no regular file"):
            lk.CosineIndex.load(path)


def test_a_manifest_that_is_too_large_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "manifest-000001.json"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ValueError, match="larger than 16777216 bytes"):
        lk.CosineIndex.load(tmp_path)


METADATA = {"format": "latentknn index 1", "next_id": "4"}
FOUR = np.float32([[1, 0], [0, 1], [1, 1], [2, 1]])
STORED = [("codes", "F32", [4, 2], FOUR.tobytes()), ("ids", "I64", [4], np.int64([3, 1, 2, 0]).tobytes())]


def changed(name, dtype, shape, content):
    """Return the columns with one of them replaced, or added."""
    column = (name, dtype, shape, content)
    return [column if each[0] == name else each for each in STORED] + (
        [] if name in ("codes", "ids") else [column]
    )


LIES = {
    "another format": (METADATA | {"format": "latentknn index 9"}, STORED),
    "an unknown name in the metadata": (METADATA | {"also": "1"}, STORED),
    "a next id below the number of codes": (METADATA | {"next_id": "3"}, STORED),
    "a negative next id": (METADATA | {"next_id": "-4"}, STORED),
    "a next id beyond 64 bits": (METADATA | {"next_id": str(1 << 63)}, STORED),
    "a next id of another alphabet": (METADATA | {"next_id": "٤"}, STORED),
    "no next id": ({"format": METADATA["format"]}, STORED),
    "codes that are not finite": (
        METADATA,
        changed("codes", "F32", [4, 2], np.float32(FOUR * np.nan).tobytes()),
    ),
    "codes without dimensions": (METADATA, changed("codes", "F32", [4, 0], b"")),
    "codes of one dimension": (METADATA, changed("codes", "F32", [8], FOUR.tobytes())),
    "equal ids": (METADATA, changed("ids", "I64", [4], np.int64([3, 1, 1, 0]).tobytes())),
    "ids of other numbers": (METADATA, changed("ids", "F32", [4], bytes(16))),
    "too few ids": (METADATA, changed("ids", "I64", [3], bytes(24))),
    "ids first": (METADATA, STORED[::-1]),
    "codes twice": (METADATA, [STORED[0], *STORED]),
    "labels without a type": (METADATA, changed("labels", "U8", [4], bytes(4))),
    "a type without labels": (METADATA | {"labels_dtype": "<U2"}, STORED),
    "labels of objects": (METADATA | {"labels_dtype": "|O"}, changed("labels", "U8", [4, 8], bytes(32))),
    "labels of records": (METADATA | {"labels_dtype": "i4,i4"}, changed("labels", "U8", [4, 8], bytes(32))),
    "labels of endless strings": (
        METADATA | {"labels_dtype": "<U999999999"},
        changed("labels", "U8", [4, 8], bytes(32)),
    ),
    "labels of another width": (
        METADATA | {"labels_dtype": "<U3"},
        changed("labels", "U8", [4, 8], bytes(32)),
    ),
    "an unknown column": (METADATA, changed("weights", "F32", [4], bytes(16))),
}


@pytest.mark.parametrize(("metadata", "stored"), LIES.values(), ids=LIES)
def test_digests_that_fit_do_not_excuse_what_no_index_holds(tmp_path, metadata, stored):
    path = tmp_path / "lying index"
    path.write_bytes(columns(METADATA, STORED))
    assert len(lk.CosineIndex.load(path)) == 4
    path.write_bytes(columns(metadata, stored))
    with pytest.raises(ValueError, match="lying index"):
        lk.CosineIndex.load(path)


SHARD = columns({"format": "latentknn shard 1"}, STORED[:1])
ENTRY = {
    "file": "shard-000001-0000.safetensors",
    "rows": 4,
    "first": 0,
    "bytes": len(SHARD),
    "digest": digest_in(SHARD),
}
FIELDS = {
    "format": "latentknn folder 1",
    "contract": 1,
    "generation": 1,
    "dim": 2,
    "dtypes": {"codes": "float32", "ids": None, "labels": None},
    "rows": 4,
    "next_id": 4,
    "classes": None,
    "encoder": None,
    "shards": [ENTRY],
}
WITHOUT_ENCODER = {name: value for name, value in FIELDS.items() if name != "encoder"}
FALSE_MANIFESTS = {
    "another format": FIELDS | {"format": "latentknn folder 2"},
    "another contract": FIELDS | {"contract": 2},
    "another generation": FIELDS | {"generation": 2},
    "an unknown field": FIELDS | {"also": 1},
    "no encoder": WITHOUT_ENCODER,
    "another dimension": FIELDS | {"dim": 1},
    "no dimension": FIELDS | {"dim": 0},
    "rows that are no number": FIELDS | {"rows": 4.0},
    "rows that are true": FIELDS | {"rows": True},
    "more rows than shards have": FIELDS | {"rows": 5, "next_id": 5},
    "a next id below the rows": FIELDS | {"next_id": 3},
    "a next id beyond 64 bits": FIELDS | {"next_id": 1 << 63},
    "dtypes that are a list": FIELDS | {"dtypes": ["float32"]},
    "other codes": FIELDS | {"dtypes": FIELDS["dtypes"] | {"codes": "float16"}},
    "labels that the shard has not": FIELDS | {"dtypes": FIELDS["dtypes"] | {"labels": "<U3"}},
    "labels of objects": FIELDS | {"dtypes": FIELDS["dtypes"] | {"labels": "|O"}},
    "classes that are a text": FIELDS | {"classes": "abc"},
    "classes that are lists": FIELDS | {"classes": [[]]},
    "shards that are a number": FIELDS | {"shards": 4},
    "a shard of 2^60 rows": FIELDS
    | {"rows": 1 << 60, "next_id": 1 << 60, "shards": [ENTRY | {"rows": 1 << 60}]},
    "a shard elsewhere": FIELDS | {"shards": [ENTRY | {"file": "../shard-000001-0000.safetensors"}]},
    "a shard that begins later": FIELDS | {"shards": [ENTRY | {"first": 1}]},
    "a shard of other bytes": FIELDS | {"shards": [ENTRY | {"bytes": len(SHARD) + 1}]},
    "a shard of another digest": FIELDS | {"shards": [ENTRY | {"digest": "0" * 64}]},
    "a digest of capital letters": FIELDS | {"shards": [ENTRY | {"digest": ENTRY["digest"].upper()}]},
    "a shard twice": FIELDS | {"rows": 8, "next_id": 8, "shards": [ENTRY, ENTRY | {"first": 4}]},
}


@pytest.mark.parametrize("fields", FALSE_MANIFESTS.values(), ids=FALSE_MANIFESTS)
def test_a_digest_that_fits_does_not_excuse_a_false_manifest(tmp_path, fields):
    (tmp_path / "shard-000001-0000.safetensors").write_bytes(SHARD)
    (tmp_path / "manifest-000001.json").write_bytes(manifest(**FIELDS))
    assert_same_index(lk.CosineIndex.load(tmp_path), lk.CosineIndex.from_codes(FOUR))
    (tmp_path / "manifest-000001.json").write_bytes(manifest(**fields))
    with pytest.raises(ValueError, match=r"manifest-000001\.json|shard-000001-0000\.safetensors"):
        lk.CosineIndex.load(tmp_path)


def test_two_values_of_a_name_are_refused(tmp_path):
    text = manifest(**FIELDS).replace(b'"dim": 2', b'"dim": 2, "dim": 2')
    text = sealed(text.replace(text[11:75], b"0" * 64))
    (tmp_path / "manifest-000001.json").write_bytes(text)
    with pytest.raises(ValueError, match="twice"):
        lk.CosineIndex.load(tmp_path)
