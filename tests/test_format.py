"""docs/format.md: what is written by the page alone is read, and what is saved is as the page says."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

import latentknn as lk
from index_cases import assert_same_index
from page_writer import BLOCK, columns, digest_in, manifest

PAGE = Path(__file__).parents[1] / "docs" / "format.md"
SHARD = {"format": "latentknn shard 1"}


def codes_column(rows):
    """Return codes as the page describes them, of rows of numbers."""
    content = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    return ("codes", "F32", [len(rows), len(rows[0])], content)


def ids_column(ids):
    return ("ids", "I64", [len(ids)], struct.pack(f"<{len(ids)}q", *ids))


def strings_column(strings, width):
    content = b"".join(each.encode("utf-32-le").ljust(4 * width, b"\0") for each in strings)
    return ("labels", "U8", [len(strings), 4 * width], content)


ROWS = [(1.0, 0.0, 2.5), (0.0, -1.0, 0.25), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0)]


@pytest.mark.parametrize("spaces", [0, 3])
def test_a_file_that_was_written_by_the_page_is_an_index(tmp_path, spaces):
    metadata = {"format": "latentknn index 1", "next_id": "9", "labels_dtype": "<U6"}
    tensors = [codes_column(ROWS), ids_column([8, -1, 5, 2]), strings_column(["größer", "", "b", "b"], 6)]
    (tmp_path / "index").write_bytes(columns(metadata, tensors, spaces))
    index = lk.CosineIndex.load(tmp_path / "index")
    assert_same_index(index, lk.CosineIndex.from_codes(ROWS, ["größer", "", "b", "b"], [8, -1, 5, 2]))
    index.add([(1.0, 1.0, 1.0)], ["c"])
    assert index.ids[-1] == 9


def test_the_next_id_of_the_page_is_given_where_all_ids_are_positions(tmp_path):
    shard = columns(SHARD, [codes_column(ROWS)])
    entry = {"rows": 4, "first": 0, "bytes": len(shard), "digest": digest_in(shard)}
    fields = {
        "format": "latentknn folder 1",
        "contract": 1,
        "generation": 1,
        "dim": 3,
        "dtypes": {"codes": "float32", "ids": None, "labels": None},
        "rows": 4,
        "next_id": 9,
        "classes": None,
        "encoder": None,
        "shards": [{"file": "shard-1.safetensors", **entry}],
    }
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "shard-1.safetensors").write_bytes(shard)
    (tmp_path / "index" / "manifest-000001.json").write_bytes(manifest(**fields))
    metadata = {"format": "latentknn index 1", "next_id": "9"}
    (tmp_path / "file").write_bytes(columns(metadata, [codes_column(ROWS)]))
    for name in ("index", "file"):
        index = lk.CosineIndex.load(tmp_path / name)
        assert index.ids.tolist() == [0, 1, 2, 3]
        index.add([(1.0, 1.0, 1.0)])
        assert index.ids[-1] == 9


def test_a_file_of_several_blocks_that_was_written_by_the_page_is_an_index(tmp_path):
    rows = np.arange(3 * BLOCK // 4, dtype="<f4").reshape(-1, 64)
    tensors = [("codes", "F32", list(rows.shape), rows.tobytes())]
    metadata = {"format": "latentknn index 1", "next_id": str(len(rows))}
    (tmp_path / "index").write_bytes(columns(metadata, tensors))
    assert lk.CosineIndex.load(tmp_path / "index").codes.tobytes() == rows.tobytes()


@pytest.mark.parametrize(
    ("dtype", "tensor"),
    [
        ("|b1", ("labels", "BOOL", [4], bytes([0, 1, 1, 0]))),
        ("<i8", ("labels", "I64", [4], struct.pack("<4q", 0, 1, -(2**63), 2**63 - 1))),
        ("|u1", ("labels", "U8", [4], bytes([0, 1, 255, 0]))),
        ("<f2", ("labels", "F16", [4], struct.pack("<4e", 0, 1, 0.5, -1))),
        ("|S3", ("labels", "U8", [4, 3], b"a\0\0bc\0def\0\0\0")),
    ],
)
def test_labels_that_were_written_by_the_page_are_labels(tmp_path, dtype, tensor):
    metadata = {"format": "latentknn index 1", "next_id": "4", "labels_dtype": dtype}
    (tmp_path / "index").write_bytes(columns(metadata, [codes_column(ROWS), tensor]))
    labels = lk.CosineIndex.load(tmp_path / "index").labels
    assert labels.dtype.str == dtype
    assert labels.tobytes() == tensor[3]


def test_a_folder_that_was_written_by_the_page_is_an_index(tmp_path):
    files = {
        "shard-a.safetensors": columns(
            {**SHARD, "labels_dtype": "<U1"}, [codes_column(ROWS[:1]), strings_column(["b"], 1)]
        ),
        "shard-empty.safetensors": columns(
            {**SHARD, "labels_dtype": "<U1"}, [("codes", "F32", [0, 3], b""), strings_column([], 1)]
        ),
        "shard-B-2.safetensors": columns(
            {**SHARD, "labels_dtype": "<U2"},
            [codes_column(ROWS[1:]), ids_column([7, 6, -5]), strings_column(["a", "bc", "a"], 2)],
        ),
    }
    shards, first = [], 0
    for (name, content), rows in zip(files.items(), (1, 0, 3), strict=True):
        (tmp_path / name).write_bytes(content)
        shards.append(
            {"file": name, "rows": rows, "first": first, "bytes": len(content), "digest": digest_in(content)}
        )
        first += rows
    fields = {
        "format": "latentknn folder 1",
        "contract": 1,
        "generation": 1234567,
        "dim": 3,
        "dtypes": {"codes": "float32", "ids": "int64", "labels": "<U4"},
        "rows": 4,
        "next_id": 8,
        "classes": ["a", "b", "bc"],
        "encoder": "some network",
        "shards": shards,
    }
    (tmp_path / "manifest-1234567.json").write_bytes(manifest(**fields))
    (tmp_path / "manifest-000012.json").write_bytes(b"an older one is not looked at")
    wanted = lk.CosineIndex.from_codes(ROWS, np.array(["b", "a", "bc", "a"], "<U4"), [0, 7, 6, -5])
    assert_same_index(lk.CosineIndex.load(tmp_path), wanted)


def test_the_example_of_the_page_is_an_index(tmp_path):
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (shard,) = json.loads(example)["shards"]
    tensors = [codes_column([(3.0, 4.0), (0.0, 1.0)]), strings_column(["b", "a"], 1)]
    content = columns({**SHARD, "labels_dtype": "<U1"}, tensors)
    assert (len(content), digest_in(content)) == (shard["bytes"], shard["digest"])
    (tmp_path / shard["file"]).write_bytes(content)
    (tmp_path / "manifest-000001.json").write_text(example, encoding="utf-8")
    assert_same_index(
        lk.CosineIndex.load(tmp_path), lk.CosineIndex.from_codes([(3.0, 4.0), (0.0, 1.0)], ["b", "a"])
    )


def read_by_the_page(content):
    """Return metadata and arrays of a file of columns, after a comparison with all its digests."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[: 8 + length], content[8 + length :]
    assert len(header) % 64 == 0
    assert header[8:].startswith(b'{"__metadata__":{"digest":"')
    found = json.loads(header[8:])
    metadata = found.pop("__metadata__")
    arrays = {name: data[slice(*each["data_offsets"])] for name, each in found.items()}
    covered = header.replace(metadata["digest"].encode(), b"0" * 64) + arrays["digests"]
    assert blake3(covered).hexdigest() == metadata.pop("digest")
    end = found["digests"]["data_offsets"][0]
    blocks = [data[at : min(at + BLOCK, end)] for at in range(0, end, BLOCK)]
    assert b"".join(blake3(block).digest() for block in blocks) == arrays.pop("digests")
    return metadata, arrays


def test_a_saved_index_is_read_by_the_page(tmp_path):
    codes = np.random.default_rng(0).standard_normal((20_000, 128)).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, ["a", "bc"] * 10_000, np.arange(20_000)[::-1], engine="cpu")
    index.save(tmp_path / "index")
    metadata, arrays = read_by_the_page((tmp_path / "index").read_bytes())
    assert metadata == {"format": "latentknn index 1", "next_id": "20000", "labels_dtype": "<U2"}
    assert arrays["codes"] == codes.tobytes()
    assert arrays["ids"] == struct.pack("<20000q", *range(19_999, -1, -1))
    assert arrays["labels"] == "a\0bc".encode("utf-32-le") * 10_000


def test_metadata_are_written_and_read_by_the_page(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"name": ["a", None, "c", "d"], "year": [1, 2, 3, 4]})
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink, compression="gzip", row_group_size=2)
    content = sink.getvalue().to_pybytes()
    tensors = [codes_column(ROWS), ("metadata", "U8", [len(content)], content)]
    (tmp_path / "index").write_bytes(columns({"format": "latentknn index 1", "next_id": "4"}, tensors))
    index = lk.CosineIndex.load(tmp_path / "index")
    assert index.metadata.equals(table)
    index.save(tmp_path / "again")
    _, arrays = read_by_the_page((tmp_path / "again").read_bytes())
    assert parquet.read_table(pyarrow.BufferReader(arrays["metadata"])).equals(table)


def test_a_saved_folder_is_read_by_the_page(tmp_path):
    index = lk.CosineIndex.from_codes(ROWS, [1, 2, 1, 3])
    index.save(f"{tmp_path}/index/")
    index.add(ROWS[:2], [7, 1])
    index.save(tmp_path / "index")
    content = (tmp_path / "index" / "manifest-000002.json").read_bytes()
    found = json.loads(content)
    assert content.startswith(b'{"digest":"')
    covered = content.replace(found["digest"].encode(), b"0" * 64, 1)
    assert blake3(covered).hexdigest() == found.pop("digest")
    shards = found.pop("shards")
    assert found == {
        "format": "latentknn folder 1",
        "contract": 1,
        "generation": 2,
        "dim": 3,
        "dtypes": {"codes": "float32", "ids": None, "labels": "<i8"},
        "rows": 6,
        "next_id": 6,
        "classes": [1, 2, 3, 7],
        "encoder": None,
    }
    assert [(shard["rows"], shard["first"]) for shard in shards] == [(4, 0), (2, 4)]
    labels = b""
    for shard in shards:
        content = (tmp_path / "index" / shard["file"]).read_bytes()
        assert (len(content), digest_in(content)) == (shard["bytes"], shard["digest"])
        metadata, arrays = read_by_the_page(content)
        assert metadata == {"format": "latentknn shard 1", "labels_dtype": "<i8"}
        labels += arrays["labels"]
    assert labels == struct.pack("<6q", 1, 2, 1, 3, 7, 1)
