"""Shards of files and tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import polars
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import latentknn as lk
from latentknn.shards import sources
from shard_cases import DIM, assert_answers_as, problem


@pytest.fixture
def small_batches(monkeypatch):
    """Make a batch of a file five rows."""
    monkeypatch.setattr(sources, "_BATCH_BYTES", 5 * 4 * DIM)


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
            ValueError,
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
    ("module", "name", "extra"), [("pyarrow", "x.parquet", "tables"), ("h5py", "x.h5", "hdf5")]
)
def test_a_missing_library_is_named(tmp_path, monkeypatch, module, name, extra):
    monkeypatch.setitem(sys.modules, module, None)
    writer = lk.shards.Writer(tmp_path / "index", 2)
    with pytest.raises(ImportError, match=rf"needs {module}: pip install 'latentknn\[{extra}\]'"):
        writer.extend(tmp_path / name)
    writer.discard()
