"""Writing shards, and opening what was written."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import polars
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import cases
import latentknn as lk
from checking import assert_same_results
from latentknn.files.manifest import read_newest
from latentknn.shards import sources
from scale import scaled

DIM = 6


@pytest.fixture
def small_batches(monkeypatch):
    """Make a batch of a file five rows."""
    monkeypatch.setattr(sources, "_BATCH_BYTES", 5 * 4 * DIM)


def problem(count=53, seed=0):
    codes, queries = cases.build("small_integers", seed, count, 8, DIM)
    rng = np.random.default_rng(seed)
    labels = np.array(["a", "bb", "cccc"])[rng.integers(3, size=count)]
    return codes, queries, labels, cases.user_ids(seed, count)


def assert_answers_as(index, one, queries):
    assert len(index) == len(one)
    for k in {1, 7, len(one)}:
        assert_same_results(index.search(queries, k, scores64=True), one.search(queries, k, scores64=True))
    allowed = np.arange(len(one)) % 3 == 1
    assert_same_results(
        index.search(queries, 5, allowed=allowed, scores64=True),
        one.search(queries, 5, allowed=allowed, scores64=True),
    )
    assert_same_results(index.search_self(4, scores64=True), one.search_self(4, scores64=True))
    assert index.ids.tobytes() == one.ids.tobytes()
    assert np.array_equal(index.codes, one.codes)
    if one.labels is None:
        assert index.labels is None
        return
    assert index.labels.tolist() == one.labels.tolist()
    assert index.classes.tolist() == one.classes.tolist()
    assert_same_results(
        index.search_per_class(queries, 3, scores64=True), one.search_per_class(queries, 3, scores64=True)
    )


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("with_ids", [False, True])
def test_what_was_written_in_batches_answers_as_one_index(tmp_path, mmap, with_ids):
    for seed in range(scaled(4)):
        rng = np.random.default_rng(seed)
        codes, queries, labels, ids = problem(int(rng.integers(40, 200)), seed)
        if not with_ids:
            ids = None
        rows_per_shard = int(rng.integers(1, 80))
        with lk.shards.Writer(tmp_path / str(seed), DIM, rows_per_shard) as writer:
            begin = 0
            while begin < len(codes):
                part = slice(begin, begin + int(rng.integers(1, 60)))
                writer.add(codes[part], labels[part], None if ids is None else ids[part])
                begin = min(part.stop, len(codes))
                assert writer.rows == begin
        memory = int(rng.integers(1 << 15, 1 << 17)) if mmap else None
        index = lk.shards.open(tmp_path / str(seed), mmap=mmap, memory=memory)
        one = lk.CosineIndex.from_codes(codes, labels, ids)
        assert_answers_as(index, one, queries)
        sizes = [shard.rows for shard in read_newest(tmp_path / str(seed)).shards]
        assert sizes[:-1] == [rows_per_shard] * (len(sizes) - 1)
        assert_answers_as(lk.CosineIndex.load(tmp_path / str(seed)), one, queries)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_saved_index_opens_as_shards_and_more_are_appended(tmp_path, mmap):
    codes, queries, labels, _ = problem()
    lk.CosineIndex.from_codes(codes[:20], labels[:20]).save(f"{tmp_path}/index/")
    before = {path.name: path.read_bytes() for path in (tmp_path / "index").glob("shard*")}
    with lk.shards.Writer(tmp_path / "index", DIM, append=True) as writer:
        writer.add(codes[20:40], labels[20:40])
        writer.add(codes[40:], labels[40:])
    index = lk.shards.open(tmp_path / "index", mmap=mmap)
    assert index.generation == 2
    assert index.path == tmp_path / "index"
    assert_answers_as(index, lk.CosineIndex.from_codes(codes, labels), queries)
    after = {path.name: path.read_bytes() for path in (tmp_path / "index").glob("shard*")}
    assert len(after) == 2
    assert before.items() < after.items()
    assert len(list((tmp_path / "index").iterdir())) == 3


def test_appended_codes_get_the_ids_of_one_index(tmp_path):
    codes, queries, _, _ = problem()
    ids = np.random.default_rng(0).permutation(np.arange(100, 153))
    one = lk.CosineIndex.from_codes(codes[:20], ids=ids[:20])
    one.remove(ids[3:5])
    one.save(f"{tmp_path}/own/")
    one.add(codes[20:])
    with lk.shards.Writer(tmp_path / "own", DIM, append=True) as writer:
        writer.add(codes[20:])
    assert_answers_as(lk.shards.open(tmp_path / "own"), one, queries)
    one = lk.CosineIndex.from_codes(codes[:20])
    one.save(f"{tmp_path}/later/")
    one.add(codes[20:], ids=np.arange(20, 53)[::-1])
    with lk.shards.Writer(tmp_path / "later", DIM, append=True) as writer:
        writer.add(codes[20:], ids=np.arange(20, 53)[::-1])
    assert_answers_as(lk.shards.open(tmp_path / "later", mmap=True), one, queries)


def test_an_index_of_no_codes(tmp_path):
    with lk.shards.Writer(tmp_path, DIM) as writer:
        writer.add(np.empty((0, DIM)))
    for index in (lk.shards.open(tmp_path), lk.shards.open(tmp_path, mmap=True)):
        assert (len(index), index.dim, index.labels) == (0, DIM, None)
        assert index.codes.shape == (0, DIM)
        assert index.ids.shape == (0,)
        with pytest.raises(ValueError, match="the index is empty"):
            index.search(np.ones((1, DIM)), 1)
    with lk.shards.Writer(tmp_path, DIM, append=True) as writer:
        writer.add(np.ones((2, DIM)), labels=[1, 2])
    assert lk.shards.open(tmp_path).labels.tolist() == [1, 2]


def files_of(codes, labels, ids, folder: Path):
    """Yield every kind of source with the same rows, and the names of its columns."""
    lists = pa.array(codes.tolist(), pa.list_(pa.float32()))
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), DIM)
    named = {"labels": "label", "ids": "id"}
    for name, column in (("lists", lists), ("fixed", fixed)):
        table = pa.table({"codes": column, "label": labels, "id": ids})
        parquet.write_table(table, folder / f"{name}.parquet", row_group_size=7)
        feather.write_feather(table, folder / f"{name}.feather", chunksize=9)
        yield folder / f"{name}.parquet", named
        yield str(folder / f"{name}.feather"), named
        yield table, named
        yield pa.RecordBatchReader.from_batches(table.schema, table.to_batches(6)), named
    table = table.set_column(1, "label", pa.array(labels).dictionary_encode())
    yield table, named
    yield polars.DataFrame({"codes": codes, "label": labels, "id": ids}), named
    with h5py.File(folder / "codes.h5", "w") as file:
        file["codes"], file["id"] = codes, ids
        file["label"] = labels.astype(object)
    yield folder / "codes.h5", named
    np.save(folder / "codes.npy", codes.astype(np.float64))
    yield folder / "codes.npy", {}
    vectors = np.empty((len(codes), DIM + 1), np.float32)
    vectors[:, 0] = np.full(len(codes), DIM, np.int32).view(np.float32)
    vectors[:, 1:] = codes
    vectors.tofile(folder / "codes.fvecs")
    yield folder / "codes.fvecs", {}


def test_files_and_tables_are_read_in_batches(tmp_path, small_batches):
    codes, queries, labels, ids = problem()
    for number, (source, names) in enumerate(files_of(codes, labels, ids, tmp_path)):
        with lk.shards.Writer(tmp_path / str(number), DIM, 20) as writer:
            writer.extend(source, **names)
        one = lk.CosineIndex.from_codes(codes, *((labels, ids) if names else ()))
        assert_answers_as(lk.shards.open(tmp_path / str(number)), one, queries)


def test_a_file_of_parquet_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BATCH_BYTES", 500 * 4 * DIM)
    codes = np.random.default_rng(0).standard_normal((100_000, DIM)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), DIM)
    parquet.write_table(pa.table({"codes": column}), tmp_path / "x.parquet", row_group_size=5000)
    before = pa.total_allocated_bytes()
    held = [
        pa.total_allocated_bytes() - before
        for _ in sources.batches_of(tmp_path / "x.parquet", sources.Columns(), DIM)
    ]
    assert len(held) == 200
    # A row group is a twentieth of the file.
    assert max(held) < codes.nbytes / 4


def test_a_table_that_is_not_labelled_may_have_other_columns(tmp_path):
    table = pa.table({"x": pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), "other": [1]})
    with lk.shards.Writer(tmp_path, 2) as writer:
        writer.extend(table, codes="x")
    assert lk.shards.open(tmp_path).codes.tolist() == [[1.0, 2.0]]


# What is wrong


def test_a_bad_batch_is_refused_and_the_others_stay(tmp_path):
    codes, queries, labels, ids = problem()
    bad = codes[:5].astype(np.float64)
    bad[3, 1] = np.nan
    with lk.shards.Writer(tmp_path, DIM, 8) as writer:
        for begin in (0, 10):
            writer.add(codes[begin : begin + 10], labels[begin : begin + 10])
            for wrong, error, message in (
                ((bad, labels[:5]), ValueError, "row 3 of the codes"),
                ((codes[:5],), ValueError, "the codes before have labels; pass labels="),
                ((codes[:5], [1, 2, 3, 4, 5]), ValueError, "labels of dtype int64 do not fit <U"),
                ((codes[:5], labels[:4]), ValueError, r"labels must have shape \(5,\)"),
                ((codes[:5, :2], labels[:5]), ValueError, f"codes must have {DIM} columns"),
                ((codes[:5], labels[:5], ids[:5]), ValueError, "have no ids of their own"),
                ((codes[:5], [None] * 5), ValueError, "label 0 is missing"),
            ):
                with pytest.raises(error, match=message):
                    writer.add(*wrong)
    assert_answers_as(lk.shards.open(tmp_path), lk.CosineIndex.from_codes(codes[:20], labels[:20]), queries)


def test_ids_are_distinct_in_the_whole_index(tmp_path):
    rng = np.random.default_rng(0)
    with lk.shards.Writer(tmp_path, 1, 50) as writer:
        ids = rng.permutation(1000)
        for begin in range(0, 1000, 37):
            new = ids[begin : begin + 37]
            writer.add(np.ones((len(new), 1)), ids=new)
            again = np.append(-1 - new, rng.choice(ids[: begin + len(new)]))
            with pytest.raises(ValueError, match=f"id {again[-1]} occurs twice"):
                writer.add(np.ones((len(again), 1)), ids=again)
        with pytest.raises(ValueError, match="id -5 occurs twice"):
            writer.add(np.ones((2, 1)), ids=[-5, -5])
        with pytest.raises(ValueError, match="the batches before have ids; pass ids="):
            writer.add(np.ones((1, 1)))
    with lk.shards.Writer(tmp_path, 1, append=True) as writer:
        with pytest.raises(ValueError, match="id 999 occurs twice"):
            writer.add(np.ones((1, 1)), ids=[999])
        writer.add(np.ones((1, 1)))
    assert lk.shards.open(tmp_path).ids.tolist() == [*ids.tolist(), 1000]


def test_labels_fit_the_type_of_the_first(tmp_path):
    with lk.shards.Writer(tmp_path / "numbers", 1) as writer:
        writer.add(np.ones((2, 1)), np.array([1, 200], np.uint8))
        writer.add(np.ones((2, 1)), [7, 255])
        with pytest.raises(ValueError, match="labels of dtype int64 do not fit uint8"):
            writer.add(np.ones((1, 1)), [256])
        with pytest.raises(ValueError, match="labels of dtype float64 do not fit uint8"):
            writer.add(np.ones((1, 1)), [0.5])
    labels = lk.shards.open(tmp_path / "numbers").labels
    assert labels.dtype == np.uint8
    assert labels.tolist() == [1, 200, 7, 255]
    with lk.shards.Writer(tmp_path / "strings", 1, 1) as writer:
        writer.add(np.ones((2, 1)), ["a", "bc"])
        writer.add(np.ones((1, 1)), ["defg"])
    assert lk.shards.open(tmp_path / "strings").labels.tolist() == ["a", "bc", "defg"]


def test_an_error_in_the_block_leaves_the_folder_as_it_was(tmp_path):
    codes, _, labels, _ = problem()

    def broken_off(folder, append):
        with lk.shards.Writer(folder, DIM, 4, append=append) as writer:
            writer.add(codes, labels)
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        broken_off(tmp_path / "new", append=False)
    assert list((tmp_path / "new").iterdir()) == []
    lk.CosineIndex.from_codes(codes, labels).save(f"{tmp_path}/old/")
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    with pytest.raises(KeyError, match="stop"):
        broken_off(tmp_path / "old", append=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before


def test_a_batch_that_cannot_be_written_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    from latentknn.files import column_writer

    writer = lk.shards.Writer(tmp_path, DIM, 4)
    writer.add(np.ones((6, DIM)))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(column_writer.ColumnWriter, "write_codes", full)
    with pytest.raises(OSError, match="No space left"):
        writer.add(np.ones((6, DIM)))
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.add(np.ones((6, DIM)))
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(IsADirectoryError, match=r"notes\.txt"):
        lk.shards.Writer(tmp_path / "other", DIM)
    with lk.shards.Writer(tmp_path / "index", DIM) as writer:
        writer.add(np.ones((1, DIM)))
        with pytest.raises(BlockingIOError, match="is being changed by another"):
            lk.shards.Writer(tmp_path / "index", DIM)
    with pytest.raises(FileExistsError, match="holds an index; add to it by append=True"):
        lk.shards.Writer(tmp_path / "index", DIM)
    with pytest.raises(ValueError, match="holds codes of 6 dimensions, received dim = 7"):
        lk.shards.Writer(tmp_path / "index", 7, append=True)
    for name in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FileNotFoundError, match="there is no index to append to"):
            lk.shards.Writer(tmp_path / name, DIM, append=True)
    assert not (tmp_path / "nowhere").exists()
    for dim, rows in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="must be at least 1, received 0"):
            lk.shards.Writer(tmp_path / "nowhere", dim, rows)


@pytest.mark.parametrize(
    ("make", "names", "error", "message"),
    [
        (lambda folder: [[1.0]], {}, TypeError, "extend reads a file or a table of Arrow, received a list"),
        (lambda folder: folder / "codes.csv", {}, ValueError, "'codes.csv' ends in none of .npy, .fvecs"),
        (lambda folder: folder / "no.parquet", {}, FileNotFoundError, "no.parquet"),
        (lambda folder: folder / "no.npy", {}, FileNotFoundError, "no.npy"),
        (
            lambda folder: pa.table({"x": [1]}),
            {},
            KeyError,
            "no 'codes' in the Table, which has 'x'",
        ),
        (lambda folder: saved(folder, np.ones(3)), {}, ValueError, r"holds float64 of shape \(3,\)"),
        (lambda folder: saved(folder, np.ones((3, 2), order="F")), {}, ValueError, "in Fortran order"),
        (lambda folder: saved(folder, np.ones((3, 2))), {"labels": "y"}, ValueError, "holds codes alone"),
        (lambda folder: saved(folder, np.array([[None]])), {}, ValueError, "must hold a matrix of numbers"),
        (
            lambda folder: saved(folder, np.ones((3, 3))),
            {},
            ValueError,
            "rows from 0 on: codes must have 2",
        ),
        (lambda folder: written(folder, b"\0" * 13), {}, ValueError, "has 13 bytes, which is no number"),
        (
            lambda folder: written(folder, b"\0" * 12),
            {},
            ValueError,
            "vector 0 of 'x.fvecs' has 0 dim",
        ),
        (lambda folder: rows_with_one_missing(), {}, ValueError, "row 1 of the codes is missing"),
    ],
)
def test_what_is_no_source_of_codes_is_refused(tmp_path, make, names, error, message):
    with lk.shards.Writer(tmp_path / "index", 2) as writer:
        with pytest.raises(error, match=message):
            writer.extend(make(tmp_path), **names)
        assert writer.rows == 0


def saved(folder, array):
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


def written(folder, data):
    (folder / "x.fvecs").write_bytes(data)
    return folder / "x.fvecs"


def rows_with_one_missing():
    return pa.table({"codes": pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2))})


def test_a_file_that_is_cut_short_while_it_is_read_is_an_error(tmp_path, small_batches):
    path = saved(tmp_path, np.ones((40, DIM)))
    os.truncate(path, path.stat().st_size - 1)
    with lk.shards.Writer(tmp_path / "index", DIM) as writer:
        with pytest.raises(ValueError, match=r"'x\.npy' ends early"):
            writer.extend(path)
        assert writer.rows == 35


@pytest.mark.parametrize(
    ("module", "name", "extra"), [("pyarrow", "x.parquet", "parquet"), ("h5py", "x.h5", "hdf5")]
)
def test_a_missing_library_is_named(tmp_path, monkeypatch, module, name, extra):
    monkeypatch.setitem(sys.modules, module, None)
    writer = lk.shards.Writer(tmp_path / "index", 2)
    with pytest.raises(ImportError, match=rf"needs {module}: pip install 'latentknn\[{extra}\]'"):
        writer.extend(tmp_path / name)
    writer.discard()


# What is opened


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        lk.shards.open(tmp_path)
    with lk.shards.Writer(tmp_path / "index", DIM) as writer:
        writer.add(np.ones((10, DIM)))
    with pytest.raises(ValueError, match="shards need an engine that is exact, received 'faiss'"):
        lk.shards.open(tmp_path / "index", engine="faiss")
    with pytest.raises(ValueError, match="memory= is the budget of mmap=True"):
        lk.shards.open(tmp_path / "index", memory=1 << 20)
    with pytest.raises(ValueError, match="of 10 codes needs up to 1,360 bytes for a search"):
        lk.shards.open(tmp_path / "index", mmap=True, memory=1000)
    with pytest.raises(ValueError, match="memory must be at least 1, received 0"):
        lk.shards.open(tmp_path / "index", mmap=True, memory=0)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_damaged_shard_is_an_error(tmp_path, mmap):
    with lk.shards.Writer(tmp_path, DIM, 5) as writer:
        writer.add(np.ones((10, DIM)), labels=np.arange(10))
    shard = sorted(tmp_path.glob("shard*"))[1]
    whole = shard.read_bytes()
    at = len(whole) // 2
    shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ValueError, match="is not a readable shard"):
        lk.shards.open(tmp_path, mmap=mmap).search(np.ones((1, DIM)), 1)
    shard.write_bytes(whole)
    lk.shards.open(tmp_path, mmap=mmap).search(np.ones((1, DIM)), 1)


def test_a_shard_that_is_cut_short_is_an_error_and_no_signal(tmp_path):
    with lk.shards.Writer(tmp_path, DIM, 500) as writer:
        writer.add(np.random.default_rng(0).standard_normal((2000, DIM)))
    index = lk.shards.open(tmp_path, mmap=True, memory=1 << 17)
    queries = np.ones((2, DIM))
    before = index.search(queries, 5)
    shards = sorted(tmp_path.glob("shard*"))
    whole = shards[2].read_bytes()
    for size in (0, 100, 4096, len(whole) - 1):
        os.truncate(shards[2], size)
        with pytest.raises(ValueError, match="is not a readable shard"):
            index.search(queries, 5)
        shards[2].write_bytes(whole)
    assert index.search(queries, 5).ids.tobytes() == before.ids.tobytes()
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=shards[1].name):
        index.search(queries, 5)


def test_an_open_index_shows_the_folder_as_it_was(tmp_path):
    codes, queries, labels, _ = problem()
    with lk.shards.Writer(tmp_path, DIM, 20) as writer:
        writer.add(codes, labels)
    indexes = [lk.shards.open(tmp_path, mmap=mmap) for mmap in (False, True)]
    with lk.shards.Writer(tmp_path, DIM, append=True) as writer:
        writer.add(codes, labels)
    for index in indexes:
        assert_answers_as(index, lk.CosineIndex.from_codes(codes, labels), queries)
    shutil.rmtree(tmp_path)
    assert len(indexes[0].search(queries, 1).ids) == len(queries)
