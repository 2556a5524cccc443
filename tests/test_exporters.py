"""Files of evaluated codes for other programs, read back."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import latentknn as lk
import reference
from latentknn.evaluation import evaluate
from latentknn.exporters import CodeTable, write_atlas, write_items, write_projector

RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((25, 4)).astype(np.float32)
LABELS = np.array(["a|b", 'say "so"', "línea", "tab\there", "two\nlines"] * 5)
ITEMS, TRUTH = RNG.standard_normal((7, 4)).astype(np.float32), LABELS[:7]


@pytest.fixture(params=["test", "leave-one-out"])
def evaluated(request):
    test = (ITEMS, TRUTH) if request.param == "test" else None
    evaluation = evaluate(CODES, LABELS, test=test)
    return evaluation, CodeTable.of(evaluation, CODES, LABELS, test)


def test_a_table_has_codes_and_test_items(evaluated):
    evaluation, table = evaluated
    parts = [25, 7] if evaluation.protocol == "test" else [25]
    assert len(table.codes) == sum(parts)
    assert table.codes[:25].tobytes() == CODES.tobytes()
    assert table.columns["position"] == [row for part in parts for row in range(part)]
    assert table.columns["part"] == ["codes"] * 25 + ["test"] * (sum(parts) - 25)
    assert table.columns["label"] == [*LABELS, *TRUTH][: sum(parts)]
    names, items = np.array(evaluation.class_names), evaluation.items
    for name in ("predicted", "right", "share", "suspicion", "distance"):
        assert table.columns[name][: sum(parts) - len(items)] == [None] * (sum(parts) - len(items))
    assert table.columns["predicted"][-len(items) :] == names[items.predictions].tolist()
    assert table.columns["right"][-len(items) :] == (items.predictions == items.classes).tolist()
    assert table.columns["share"][-len(items) :] == items.shares.tolist()


def test_arrays_that_were_not_evaluated_are_refused():
    evaluation = evaluate(CODES, LABELS)
    with pytest.raises(ValueError, match="these labels were not evaluated"):
        CodeTable.of(evaluation, CODES, LABELS[::-1])
    with pytest.raises(ValueError, match="the evaluation is by leave-one-out"):
        CodeTable.of(evaluation, CODES, LABELS, (ITEMS, TRUTH))
    with pytest.raises(ValueError, match="column 'x' has 2 values for 25 codes"):
        CodeTable(CODES, {"x": [1, 2]})


def test_items_are_written_as_csv(evaluated, tmp_path):
    evaluation, _ = evaluated
    write_items(evaluation, tmp_path / "items.csv")
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names, items = np.array(evaluation.class_names), evaluation.items
    assert [int(row["item"]) for row in rows] == list(range(len(items)))
    assert [row["label"] for row in rows] == names[items.classes].tolist()
    assert [row["predicted"] for row in rows] == names[items.predictions].tolist()
    assert [row["nearest"] for row in rows] == names[items.nearest].tolist()
    assert [row["right"] == "1" for row in rows] == (items.predictions == items.classes).tolist()
    for column in ("share", "suspicion", "distance"):
        assert [float(row[column]) for row in rows] == getattr(items, f"{column}s").tolist()
    assert [row["neighbours"].split("|") for row in rows] == items.neighbours.astype(str).tolist()
    similarities = [[float(each) for each in row["similarities"].split("|")] for row in rows]
    assert similarities == items.similarities.tolist()
    assert rows[0]["neighbour_labels"] == "|".join(names[items.neighbour_classes[0]])


def test_the_projectors_files_hold_every_bit_of_the_codes(evaluated, tmp_path):
    _, table = evaluated
    write_projector(table, tmp_path / "new" / "projector")
    folder = tmp_path / "new" / "projector"
    vectors = np.loadtxt(folder / "vectors.tsv", delimiter="\t", dtype=np.float64).astype(np.float32)
    assert vectors.tobytes() == table.codes.tobytes()
    lines = (folder / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(table.codes) + 1
    assert lines[0].split("\t") == list(table.columns)
    rows = [line.split("\t") for line in lines[1:]]
    assert [row[2] for row in rows] == [" ".join(label.split()) for label in table.columns["label"]]
    assert {len(row) for row in rows} == {len(table.columns)}
    configuration = (folder / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "vectors.tsv"' in configuration
    assert 'metadata_path: "metadata.tsv"' in configuration


def test_the_atlas_has_exact_neighbours_of_every_row(evaluated, tmp_path):
    _, table = evaluated
    write_atlas(table, tmp_path / "atlas.parquet", k=6)
    read = parquet.read_table(tmp_path / "atlas.parquet").to_pydict()
    assert list(read) == [*table.columns, "vector", "neighbors"]
    for name, column in table.columns.items():
        assert read[name] == list(column)
    assert np.array(read["vector"], np.float32).tobytes() == table.codes.tobytes()
    expected = reference.search_self(table.codes, 6)
    assert [row["ids"] for row in read["neighbors"]] == expected.ids.tolist()
    assert [row["distances"] for row in read["neighbors"]] == (1 - expected.scores64).tolist()


def test_the_atlas_is_what_pandas_reads_as_the_documented_columns(tmp_path):
    evaluation = evaluate(CODES, LABELS)
    table = CodeTable.of(evaluation, CODES, LABELS)
    places = RNG.standard_normal((25, 2))
    write_atlas(table, tmp_path / "atlas.parquet", places=places)
    frame = pd.read_parquet(tmp_path / "atlas.parquet")
    assert np.array_equal(frame[["projection_x", "projection_y"]], places)
    assert set(frame["neighbors"][0]) == {"ids", "distances"}
    assert len(frame["neighbors"][0]["ids"]) == 10
    assert np.array_equal(np.stack(frame["vector"]), CODES)


def test_what_an_atlas_cannot_hold_is_refused(tmp_path):
    table = CodeTable(CODES, {"vector": [0] * 25})
    with pytest.raises(ValueError, match="needs columns of these names: vector"):
        write_atlas(table, tmp_path / "atlas.parquet")
    with pytest.raises(ValueError, match=r"places must have shape \(25, 2\), received \(25,\)"):
        write_atlas(CodeTable(CODES, {}), tmp_path / "atlas.parquet", places=np.zeros(25))
    with pytest.raises(ValueError, match="k must be from 1 to 24"):
        write_atlas(CodeTable(CODES, {}), tmp_path / "atlas.parquet", k=25)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "latentknn\[tables\]"'):
        write_atlas(CodeTable(CODES, {}), tmp_path / "atlas.parquet")


def test_the_room_is_found_without_an_import():
    assert lk.exporters.CodeTable is CodeTable
