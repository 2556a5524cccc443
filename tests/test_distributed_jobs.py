"""Jobs of many files, by tasks of a cluster."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import latentknn as lk
from latentknn.distributed import jobs
from ray_cluster import write_folder

RNG = np.random.default_rng(2)
CODES = np.repeat(RNG.standard_normal((150, 6)).astype(np.float32), 2, axis=0)
LABELS = np.array(["a", "b", "c"])[RNG.integers(3, size=300)]
FILES = 5


@pytest.fixture
def nodes(ray_cluster):
    ray_cluster.have(max(2, len(ray_cluster.nodes)))


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(FILES):
        rows = slice(50 * number, 50 * number + 50)
        table = pa.table({"id": np.arange(300)[rows], "items": list(CODES[rows]), "name": LABELS[rows]})
        parquet.write_table(table, tmp_path / "in" / f"part-{number}.parquet")
    return tmp_path / "in"


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.parquet"))}


def sent_by_value(factor):
    """Return a function of no name, which the nodes of a cluster need not import."""
    return lambda items: factor * items


doubled = sent_by_value(2)


def test_encoded_files_hold_the_codes_and_what_else_there_was(nodes, inputs, tmp_path):
    told = []
    lk.distributed.encode(doubled, f"{inputs}/*.parquet", tmp_path / "out", progress=told.append)
    assert [(each.done, each.total) for each in told] == [(i + 1, FILES) for i in range(FILES)]
    assert told[-1].left == 0
    assert str(told[-1]).startswith("5 of 5 files, ")
    with lk.shards.Writer(tmp_path / "db", dim=6) as writer:
        for path in sorted((tmp_path / "out").glob("*.parquet")):
            assert parquet.read_schema(path).names == ["id", "name", "codes"]
            writer.extend(path, labels="name", ids="id")
    index = lk.shards.open(tmp_path / "db")
    assert np.array_equal(index.codes, 2 * CODES[:250])
    assert index.labels.tolist() == LABELS[:250].tolist()


def test_a_job_that_is_begun_again_writes_what_is_missing_and_the_same_bytes(nodes, inputs, tmp_path):
    out = tmp_path / "out"
    lk.distributed.encode(doubled, [inputs / f"part-{i}.parquet" for i in range(FILES)], out)
    wanted = content(out)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    for name in ("part-1.parquet", "part-3.parquet"):
        (out / name).unlink()
    told = []
    lk.distributed.encode(doubled, f"{inputs}/*.parquet", out, progress=told.append)
    assert [(each.done, each.total) for each in told] == [(4, FILES), (5, FILES)]
    assert content(out) == wanted
    again = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert [name for name in times if times[name] != again[name]] == ["part-1.parquet", "part-3.parquet"]
    assert sorted(os.listdir(out)) == sorted([*wanted, "job.json"])


def test_a_task_whose_process_is_killed_is_done_again(nodes, inputs, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()

    def deadly(items, marks=str(marks)):
        mark = f"{marks}/{items[0, 0]}"
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * items

    lk.distributed.encode(deadly, f"{inputs}/part-[01].parquet", tmp_path / "out")
    lk.distributed.encode(doubled, f"{inputs}/part-[01].parquet", tmp_path / "wanted")
    assert content(tmp_path / "out") == content(tmp_path / "wanted")
    assert len(list(marks.iterdir())) == 2


def test_a_file_that_always_ends_its_process_is_named(nodes, inputs, tmp_path):
    def deadly(items, first=CODES[50, 0]):
        if items[0, 0] == first:
            os.kill(os.getpid(), signal.SIGKILL)
        return items

    with pytest.raises(RuntimeError, match=r"part-1\.parquet could not be written"):
        lk.distributed.encode(deadly, f"{inputs}/part-[01].parquet", tmp_path / "out")


def test_a_job_knows_the_codes_and_labels_of_its_classifier(inputs, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(jobs, "run_job", lambda output, settings, *others: told.append(settings))

    def settings(codes, labels):
        classifier = lk.CosineKNNClassifier(3).fit(codes, labels)
        lk.distributed.classify(classifier, f"{inputs}/*.parquet", tmp_path / "out", codes="items")
        return json.dumps(told[-1])

    first = settings(CODES, LABELS)
    assert settings(CODES.copy(), LABELS.tolist()) == first
    assert settings(CODES[::-1], LABELS) != first
    assert settings(CODES, LABELS[::-1]) != first
    assert settings(CODES, np.char.add(LABELS, "x")) != first


def test_what_cannot_be_encoded_is_named_and_the_rest_stays(nodes, inputs, tmp_path):
    def picky(items):
        if items[0, 0] == CODES[100, 0]:
            raise ValueError("these are no items of mine")
        return items

    with pytest.raises(RuntimeError, match=r"part-2\.parquet could not be written: these are no items"):
        lk.distributed.encode(picky, f"{inputs}/*.parquet", tmp_path / "out")
    assert not (tmp_path / "out" / "part-2.parquet").exists()
    lk.distributed.encode(lambda items: items, f"{inputs}/*.parquet", tmp_path / "out")
    assert len(content(tmp_path / "out")) == FILES
    with pytest.raises(ValueError, match="files of another job"):
        lk.distributed.encode(doubled, f"{inputs}/part-[01].parquet", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="nothing"):
        lk.distributed.encode(doubled, f"{inputs}/nothing*", tmp_path / "other")
    with pytest.raises(RuntimeError, match="no column 'images'"):
        lk.distributed.encode(doubled, f"{inputs}/part-0.parquet", tmp_path / "other", items="images")
    with pytest.raises(IsADirectoryError, match="other files"):
        lk.distributed.encode(doubled, f"{inputs}/part-0.parquet", inputs)


@pytest.fixture
def served(nodes, tmp_path):
    write_folder(tmp_path / "db", CODES, [120, 120, 200], LABELS, np.arange(1000, 1300))
    with lk.distributed.start(tmp_path / "db", address="auto") as index:
        yield index


def test_classified_files_hold_the_votes(served, inputs, tmp_path):
    classifier = lk.CosineKNNClassifier.from_index(served, 3)
    lk.distributed.classify(classifier, f"{inputs}/*.parquet", tmp_path / "out", codes="items")
    fitted = lk.CosineKNNClassifier(3).fit(CODES, LABELS)
    found = [parquet.read_table(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    assert found[0].column_names == ["id", "name", "label"]
    labels = [label for table in found for label in table["label"].to_pylist()]
    assert labels == fitted.predict(CODES[:250]).tolist()


def test_joins_hold_the_neighbours_of_every_code(served, tmp_path):
    one = lk.CosineIndex(6)
    one.add(CODES, ids=np.arange(1000, 1300))
    lk.distributed.self_join(served, tmp_path / "k", k=4)
    table = pa.concat_tables(
        [parquet.read_table(path) for path in sorted((tmp_path / "k").glob("*.parquet"))]
    )
    expected = one.search_self(4)
    assert table["id"].to_pylist() == list(range(1000, 1300))
    assert table["neighbours"].to_pylist() == expected.ids.tolist()
    assert table["similarities"].to_pylist() == expected.similarities.tolist()
    lowest = 0.2
    lk.distributed.self_join(served, tmp_path / "similarity", similarity=lowest)
    paths = sorted((tmp_path / "similarity").glob("*.parquet"))
    table = pa.concat_tables([parquet.read_table(path) for path in paths])
    all_others = one.search_self(299, scores64=True)
    wanted = [
        ids[scores >= lowest].tolist()
        for ids, scores in zip(all_others.ids, all_others.scores64, strict=True)
    ]
    assert table["neighbours"].to_pylist() == wanted
    assert max(map(len, wanted)) > 64
    for options, match in (
        ({}, "not both"),
        ({"k": 1, "similarity": 0.5}, "not both"),
        ({"k": 300}, "from 1"),
    ):
        with pytest.raises(ValueError, match=match):
            lk.distributed.self_join(served, tmp_path / "none", **options)
