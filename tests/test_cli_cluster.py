"""Shards and clusters on the command line, as a new user tries them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import latentknn as lk
from cli_cases import refused
from latentknn.cli import main
from latentknn.shards import sources
from new_interpreter import HANG

CODES = np.random.default_rng(6).standard_normal((200, 7)).astype(np.float32)
LABELS = np.array(["shoe", "bag"])[np.arange(200) % 2]


@pytest.fixture
def files(tmp_path, monkeypatch):
    np.save(tmp_path / "codes.npy", CODES)
    np.save(tmp_path / "labels.npy", LABELS)
    parquet.write_table(pa.table({"id": np.arange(50), "codes": list(CODES[:50])}), tmp_path / "q.parquet")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shards_are_written_verified_and_described(files, capsys):
    write = ["shards", "write", "codes.npy", "db", "--labels", "labels.npy", "--rows-per-shard", "80"]
    assert main(write) == 0
    assert (
        "200 codes of 7 dimensions are in db, generation 1: 200 codes in 3 shards" in capsys.readouterr().out
    )
    assert main(["shards", "verify", "db"]) == 0
    assert "generation 1 is whole: 200 codes" in capsys.readouterr().out
    assert main(["shards", "info", "db"]) == 0
    output = capsys.readouterr().out
    assert "labels: <U4; ids: positions" in output
    assert "shard-000001-0002.safetensors  40" in output
    index = lk.shards.open("db")
    assert np.array_equal(index.codes, CODES)
    assert index.labels.tolist() == LABELS.tolist()
    assert main(["shards", "write", "q.parquet", "other", "--ids", "id"]) == 0
    assert lk.shards.open("other").ids.tolist() == list(range(50))
    assert lk.shards.verify("other").rows == 50
    (path,) = (files / "db").glob("shard-*-0001*")
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    assert main(["shards", "verify", "db"]) == 2
    assert path.name in capsys.readouterr().err


def test_what_cannot_be_written_is_refused(files, capsys):
    assert "codes.txt" in refused(capsys, "shards", "write", "codes.txt", "db")
    assert "no manifest" in refused(capsys, "shards", "info", str(files))
    assert "there is no 'x'" in refused(capsys, "shards", "write", "q.parquet", "db", "--codes", "x")
    assert not (files / "db").exists()
    with pytest.raises(ValueError, match=r"one \.npy file"):
        lk.shards.write_files("db", ["q.parquet"], label_array=LABELS)
    with pytest.raises(ValueError, match="at least one file"):
        lk.shards.write_files("db", [])


def test_labels_are_a_column_of_tables_and_a_file_of_files_without_columns(files, capsys):
    np.save(files / "label.npy", np.arange(50))
    (files / "label").write_text("another\n" * 50)
    table = pa.table({"codes": list(CODES[:50]), "label": LABELS[:50]})
    parquet.write_table(table, files / "labelled.parquet")
    assert main(["shards", "write", "labelled.parquet", "db", "--labels", "label"]) == 0
    assert lk.shards.open("db").labels.tolist() == LABELS[:50].tolist()
    vectors = np.empty((50, 8), np.float32)
    vectors[:, 0], vectors[:, 1:] = np.full(50, 7, np.int32).view(np.float32), CODES[:50]
    vectors.tofile(files / "codes.fvecs")
    assert main(["shards", "write", "codes.fvecs", "vectors", "--labels", "label"]) == 0
    assert lk.shards.open("vectors").labels.tolist() == ["another"] * 50
    capsys.readouterr()
    assert "there is no 'label.npy' in labelled.parquet" in refused(
        capsys, "shards", "write", "labelled.parquet", "other", "--labels", "label.npy"
    )
    assert "missing.txt cannot be read" in refused(
        capsys, "shards", "write", "codes.npy", "other", "--labels", "missing.txt"
    )
    assert list(files.glob("other/*")) == []


def test_metadata_are_written_and_appended_to(files, capsys):
    columns = {"id": np.arange(50), "codes": list(CODES[:50]), "name": [f"{i}.png" for i in range(50)]}
    parquet.write_table(pa.table(columns), files / "named.parquet")
    write = ["shards", "write", "named.parquet", "db", "--metadata", "name", "--metadata", "id"]
    assert main(write) == 0
    assert main([*write, "--append"]) == 0
    capsys.readouterr()
    assert "the codes before have metadata" in refused(capsys, *write[:4], "--append")
    assert "codes.npy' holds codes alone" in refused(
        capsys, "shards", "write", "codes.npy", "other", "--metadata", "name"
    )
    metadata = lk.shards.open("db").metadata
    assert metadata.column_names == ["name", "id"]
    assert metadata["name"].to_pylist() == columns["name"] * 2


@pytest.mark.parametrize("named", [["--ids", "id"], ["--codes", "vectors"]])
def test_columns_of_a_file_without_columns_are_refused_with_labels_too(files, capsys, named):
    write = ["shards", "write", "codes.npy", "db", "--labels", "labels.npy", *named]
    assert "'codes.npy' holds codes alone" in refused(capsys, *write)
    assert list(files.glob("db/*")) == []


def test_codes_with_labels_of_their_own_are_read_in_batches(files, monkeypatch):
    monkeypatch.setattr(sources, "_BATCH_BYTES", 30 * 4 * CODES.shape[1])
    added = []
    add = lk.shards.Writer.add

    def told(writer, codes, *arguments, **named):
        added.append(len(codes))
        add(writer, codes, *arguments, **named)

    monkeypatch.setattr(lk.shards.Writer, "add", told)
    numbers = [float(i) if i % 40 == 39 else i for i in range(200)]
    strings = np.where(np.arange(200) < 150, "a", "much longer")
    for labels in (LABELS, np.array(numbers, object), np.array(strings, object), strings.tolist()):
        assert lk.shards.write_files("db", ["codes.npy"], label_array=labels, rows_per_shard=64) == 200
        index = lk.shards.open("db")
        assert np.array_equal(index.codes, CODES)
        assert index.labels.tolist() == list(labels)
        shutil.rmtree("db")
    assert max(added) == 30
    for count, message in ((199, "more codes than labels were given, which are 199"), (201, "201 labels")):
        with pytest.raises(ValueError, match=message):
            lk.shards.write_files("db", ["codes.npy"], label_array=np.arange(count))
    with pytest.raises(ValueError, match="one a code"):
        lk.shards.write_files("db", ["codes.npy"], label_array=np.zeros((200, 1)))
    assert list(files.glob("db/*")) == []


def test_a_reader_that_goes_away_ends_the_verification_in_silence(files):
    lk.shards.write_files("db", ["codes.npy"])
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "latentknn", "shards", "verify", "db"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(HANG) == 141
    assert errors == ""


def test_every_argument_of_shards_and_clusters_has_help(capsys):
    for command in ("shards write", "shards verify", "shards info", "cluster start", "cluster search"):
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        arguments = capsys.readouterr().out.partition("Arguments:\n")[2].partition("\n\n")[0]
        begun = re.findall(r"<.+?>\s+(\S)", arguments)
        assert len(begun) == arguments.count("[required]") > 0
        assert "[" not in begun, arguments


def test_a_new_user_starts_searches_classifies_and_stops(files):
    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "latentknn", *arguments], capture_output=True, text=True, timeout=HANG
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command("shards", "write", "codes.npy", "db", "--labels", "labels.npy", "--rows-per-shard", "80")
    assert "lk.distributed.connect('latentknn')" in command("cluster", "start", "db", "--address", "local")
    try:
        script = """
import numpy as np, latentknn as lk
index = lk.distributed.connect("latentknn")
print(index.search(np.load("codes.npy"), 1).ids.ravel().tolist() == list(range(200)))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG)
        assert done.stdout == "True\n", done.stderr
        status = command("cluster", "status", "--address", "local")
        assert "generation 1, 200 codes of 7 dimensions in 3 shards, replicas: 1, restarts: 0" in status
        assert "0,1,2" in status
        command("cluster", "search", "codes.npy", "found.npz", "-k", "3")
        with np.load("found.npz") as found:
            assert np.array_equal(found["ids"], lk.cosine_search(CODES, CODES, 3).ids)
        command("cluster", "classify", "q.parquet", "out", "-k", "3")
        fitted = lk.CosineKNNClassifier(3).fit(CODES, LABELS)
        labels = parquet.read_table("out/q.parquet")["label"].to_pylist()
        assert labels == fitted.predict(CODES[:50]).tolist()
    finally:
        assert "latentknn is stopped" in command("cluster", "stop")
    assert os.listdir(files / "state" / "latentknn" / "clusters") == []
