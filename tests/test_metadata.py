"""Columns of metadata beside the codes of an index."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import tracemalloc

import numpy as np
import pytest

import latentknn as lk
from latentknn.files.metadata_column import decoded, encoded
from latentknn.index.storage import read_index
from scale import scaled

pa = pytest.importorskip("pyarrow")

RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((60, 5)).astype(np.float32)
TABLE = pa.table(
    {
        "file": [f"{i}.png" if i % 7 else None for i in range(60)],
        "when": pa.array(range(60), pa.timestamp("ms")),
        "tags": [["a"] * (i % 3) for i in range(60)],
        "split": pa.array(["train", "test"] * 30).dictionary_encode(),
    }
)


def index_of(rows=slice(None), **settings):
    taken = TABLE.take(np.arange(60)[rows])
    return lk.CosineIndex.from_codes(CODES[rows], metadata=taken, engine="cpu", **settings)


def test_metadata_belong_to_their_codes_through_random_changes():
    for seed in range(scaled(10)):
        rng = np.random.default_rng(seed)
        index = lk.CosineIndex(2, engine="cpu")
        wanted = {}
        for step in range(30):
            ids = np.array(list(wanted), np.int64)
            kind = rng.choice(["add", "remove", "update", "upsert", "compact"])
            some = rng.permutation(ids)[: rng.integers(0, 6)]
            if kind == "add":
                new = rng.choice(np.setdiff1d(np.arange(500), ids), int(rng.integers(1, 9)), replace=False)
            elif kind == "upsert":
                new = np.union1d(some, rng.integers(500, size=3))
            else:
                new = some
            names = [f"{each} {step}" for each in new]
            codes = np.stack([new + 1.0, np.ones(len(new))], axis=1)
            if kind == "remove":
                index.remove(some)
                wanted = {each: name for each, name in wanted.items() if each not in some}
            elif kind == "compact":
                index.compact()
            elif len(new) > 0:
                keeps = kind == "update" and rng.random() < 0.5
                if keeps:
                    names = [wanted[each] for each in new]
                metadata = None if keeps else {"name": names, "id": new}
                change = {"add": index.add, "update": index.update, "upsert": index.upsert}[kind]
                change(codes, ids=new, metadata=metadata)
                wanted = {each: name for each, name in wanted.items() if each not in new}
                wanted |= dict(zip(new.tolist(), names, strict=True))
            if wanted:
                assert index.metadata["name"].to_pylist() == list(wanted.values())
                assert index.metadata["id"].to_pylist() == index.ids.tolist() == list(wanted)


@pytest.mark.parametrize("name", ["index.safetensors", "folder/"])
@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_metadata_are_saved_and_loaded(tmp_path, name, engine):
    path = f"{tmp_path}/{name}"
    index_of().save(path)
    loaded = lk.CosineIndex.load(path, engine=engine)
    assert loaded.metadata.equals(TABLE)
    assert np.array_equal(loaded.codes, CODES)


def test_a_folder_that_grows_gets_the_new_metadata_alone(tmp_path):
    index = index_of(slice(40))
    index.save(f"{tmp_path}/")
    first = set(os.listdir(tmp_path))
    index.add(CODES[40:], metadata=TABLE.slice(40))
    index.save(f"{tmp_path}/")
    assert {name for name in first if name.startswith("shard-")} <= set(os.listdir(tmp_path))
    assert len(os.listdir(tmp_path)) == 3
    assert lk.CosineIndex.load(tmp_path).metadata.equals(TABLE)
    assert lk.shards.open(tmp_path).metadata.equals(TABLE)
    index.remove(index.ids[::3])
    index.save(f"{tmp_path}/")
    assert lk.CosineIndex.load(tmp_path).metadata.equals(index.metadata)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_writer_of_shards_streams_metadata(tmp_path, mmap):
    with lk.shards.Writer(tmp_path, 5, rows_per_shard=17) as writer:
        for begin in range(0, 30, 10):
            writer.add(CODES[begin : begin + 10], metadata=TABLE.slice(begin, 10))
    with lk.shards.Writer(tmp_path, 5, append=True) as writer:
        writer.add(CODES[30:], metadata=TABLE.slice(30).select(TABLE.column_names[::-1]))
    index = lk.shards.open(tmp_path, mmap=mmap)
    assert index.metadata.equals(TABLE)
    found = index.search(CODES[:3], 1)
    assert index.metadata.take(found.positions[:, 0])["file"].to_pylist() == [None, "1.png", "2.png"]


def test_a_search_from_the_disk_neither_reads_metadata_nor_needs_pyarrow(tmp_path, monkeypatch):
    notes = np.random.default_rng(1).bytes(8 << 20)
    with lk.shards.Writer(tmp_path, 5) as writer:
        writer.add(CODES, metadata={"notes": [notes[at :: len(CODES)] for at in range(len(CODES))]})
    index = lk.shards.open(tmp_path, mmap=True)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        tracemalloc.start()
        try:
            found = index.search(CODES, 1)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
        with pytest.raises(ImportError, match=r"latentknn\[tables\]"):
            _ = index.metadata
    assert found.ids.ravel().tolist() == list(range(60))
    assert index.metadata["notes"][7].as_py() == notes[7 :: len(CODES)]


def test_columns_of_a_table_become_metadata(tmp_path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(CODES.ravel()), 5)
    source = TABLE.append_column("codes", lists)
    with lk.shards.Writer(tmp_path, 5) as writer:
        writer.extend(source, metadata=["split", "file"])
    assert lk.shards.open(tmp_path).metadata.equals(TABLE.select(["split", "file"]))


def test_indexes_that_are_shards_have_their_metadata_together():
    sharded = lk.shards.ShardedIndex([index_of(slice(20)), lk.CosineIndex(5), index_of(slice(20, 60))])
    assert sharded.metadata.equals(TABLE)
    assert lk.shards.ShardedIndex([lk.CosineIndex.from_codes(CODES)]).metadata is None


def test_copies_and_snapshots_have_the_metadata():
    index = index_of()
    snapshot, copied = index.snapshot(), pickle.loads(pickle.dumps(index))
    index.remove([0, 5])
    assert snapshot.metadata.equals(TABLE)
    assert copied.metadata.equals(TABLE)
    assert copy.copy(index).metadata.equals(index.metadata)


def test_tables_of_pandas_and_polars_are_metadata():
    for library in ("pandas", "polars"):
        frame = pytest.importorskip(library).DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
        index = lk.CosineIndex.from_codes(CODES[:3], metadata=frame)
        assert index.metadata.to_pydict() == {"a": [1, 2, 3], "b": ["x", "y", "z"]}


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"a": [1, 2]}, ValueError, "a row for each of 3 codes, received 2"),
        ({}, ValueError, "columns of distinct names"),
        (pa.table([[1, 2, 3], [4, 5, 6]], ["a", "a"]), ValueError, "columns of distinct names"),
        ([1, 2, 3], TypeError, "metadata must be a table"),
        ({"a": [1j, 2j, 3j]}, ValueError, "metadata must be columns of one type"),
        ({"a": [1, 2, 3], "b": [1]}, ValueError, "metadata must be columns of one type and of equal length"),
        ({"b": [1, 2, 3]}, ValueError, r"have the columns \['b'\], and those of the codes before \['a'\]"),
        ({"a": ["x", "y", "z"]}, ValueError, "types of those of the codes before"),
        (None, ValueError, "the index has metadata, so new codes need metadata= too"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(metadata, error, message):
    index = lk.CosineIndex.from_codes(CODES[:2], metadata={"a": [7, 8]})
    with pytest.raises(error, match=message):
        index.add(CODES[2:5], metadata=metadata)
    assert len(index) == 2
    assert index.metadata.to_pydict() == {"a": [7, 8]}


def test_codes_without_metadata_are_followed_by_none():
    index = lk.CosineIndex.from_codes(CODES[:2])
    with pytest.raises(ValueError, match="have no metadata, so new ones cannot have any"):
        index.add(CODES[2:3], metadata={"a": [1]})


@pytest.mark.parametrize("append", [False, True])
def test_a_writer_refuses_metadata_that_do_not_fit(tmp_path, append):
    with lk.shards.Writer(tmp_path, 5) as writer:
        writer.add(CODES[:2], metadata={"a": [1, 2]})
        if append:
            writer.close()
            writer = lk.shards.Writer(tmp_path, 5, append=True)
        for metadata in (None, {"b": [1]}, {"a": ["x"]}, {"a": [1, 2]}):
            with pytest.raises(ValueError, match="metadata"):
                writer.add(CODES[2:3], metadata=metadata)
        writer.add(CODES[2:3], metadata={"a": [3]})
        writer.close()
    assert lk.shards.open(tmp_path).metadata.to_pydict() == {"a": [1, 2, 3]}


def test_no_changed_byte_of_metadata_loads(tmp_path):
    path = tmp_path / "index.safetensors"
    index_of().save(path)
    content = bytearray(path.read_bytes())
    begin = content.index(b"PAR1")
    for at in range(begin, begin + len(encoded(TABLE)), max(1, round(16 / scaled(1)))):
        content[at] ^= 1 << at % 8
        path.write_bytes(content)
        content[at] ^= 1 << at % 8
        with pytest.raises(ValueError, match="not a readable index file"):
            read_index(path)


def test_bytes_that_are_no_parquet_are_refused_whatever_their_digests_say():
    good = encoded(TABLE)
    for content in (good[:-1], good[:40], np.zeros(99, np.uint8), good[:0]):
        with pytest.raises(ValueError, match="its metadata are"):
            decoded(content, 60)
    with pytest.raises(ValueError, match="a row for each of 61 codes, received 60"):
        decoded(good, 61)


def test_the_same_rows_give_the_same_bytes():
    parts = pa.concat_tables([TABLE.slice(0, 7), TABLE.slice(7)])
    assert encoded(parts).tobytes() == encoded(TABLE).tobytes()
    again = pa.concat_tables([TABLE, TABLE]).slice(60)
    assert encoded(again).tobytes() == encoded(TABLE).tobytes()


def test_missing_pyarrow_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"latentknn\[tables\]"):
        lk.CosineIndex.from_codes(CODES[:1], metadata={"a": [1]})
