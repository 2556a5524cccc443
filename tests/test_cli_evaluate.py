"""The command ``evaluate``: what it writes, prints and refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import latentknn as lk
from cli_cases import refused
from latentknn.classification import WEIGHTS
from latentknn.cli import evaluate as command
from latentknn.cli import main
from latentknn.evaluation import CodeEvaluation, Vote, evaluate
from new_interpreter import run_python

RNG = np.random.default_rng(0)
CODES, ITEMS = RNG.standard_normal((40, 6)), RNG.standard_normal((12, 6))
LABELS, TRUTH = np.array(["cat", "dog"] * 20), np.array(["dog", "cat", "eel"] * 4)


@pytest.fixture
def files(tmp_path):
    """Return the paths of codes, labels, test codes and test labels."""
    arrays = {"codes": CODES, "labels": LABELS, "test_codes": ITEMS, "test_labels": TRUTH}
    for name, array in arrays.items():
        np.save(tmp_path / name, array)
    return [str(tmp_path / f"{name}.npy") for name in arrays]


def test_weights_are_those_of_a_vote():
    assert command.WEIGHTS == WEIGHTS


def test_codes_are_evaluated_by_leaving_each_out(capsys, files, tmp_path):
    out = tmp_path / "out"
    assert main(["evaluate", *files[:2], "--leave-one-out", "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"results.json", "items.csv"}
    result = CodeEvaluation.load(out / "results.json")
    assert result.to_json() == evaluate(CODES, LABELS).to_json()
    output, errors = capsys.readouterr()
    assert errors == ""
    assert output.startswith("40 codes of 6 dimensions, 2 classes; each left out once\n")
    assert f"{result.summary()}\n\nResults: {out}\n" in output
    with (out / "items.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 40
    assert main(["evaluate", *files[:2], "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "results.json").read_bytes() == (out / "results.json").read_bytes()


def test_test_items_are_evaluated_as_asked(capsys, files, tmp_path):
    out = tmp_path / "out"
    options = ["--neighbours", "5", "--weights", "softmax", "--duplicates-above", "0.8", "--threads", "1"]
    arguments = ["evaluate", *files[:2], "--test", *files[2:], "--out", str(out), "--engine", "cpu"]
    assert main([*arguments, *options]) == 0
    expected = evaluate(
        CODES, LABELS, test=(ITEMS, TRUTH), vote=Vote(5, "softmax"), duplicates_above=0.8, engine="cpu"
    )
    assert CodeEvaluation.load(out / "results.json").to_json() == expected.to_json()
    output = capsys.readouterr().out
    assert "12 test items" in output
    assert f"{expected.nearest.value:.4f}" in output
    assert "Nothing can get 4 of them right" in output
    for score in expected.class_scores:
        line = next(line for line in output.splitlines() if line.startswith(f"{score.name}  "))
        assert line.split()[1:4] == [f"{value:.4f}" for value in (score.precision, score.recall, score.f1)]


def test_labels_may_be_lines_of_text(files, tmp_path):
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    for number, labels in enumerate((files[1], str(tmp_path / "labels.txt"))):
        assert main(["evaluate", files[0], labels, "--out", str(tmp_path / str(number))]) == 0
    first, second = ((tmp_path / name / "results.json").read_bytes() for name in "01")
    assert first == second


def test_codes_are_exported(files, tmp_path):
    out = tmp_path / "out"
    exports = ["--export", "tensorboard", "--export", "atlas"]
    assert main(["evaluate", *files[:2], "--test", *files[2:], "--out", str(out), *exports]) == 0
    assert len((out / "tensorboard" / "metadata.tsv").read_text().splitlines()) == 53
    assert (out / "atlas.parquet").stat().st_size > 0
    # A second evaluation without them removes what belonged to the first, and nothing else.
    (out / "notes.txt").write_text("mine")
    assert main(["evaluate", *files[:2], "--out", str(out), "--overwrite"]) == 0
    assert {path.name for path in out.iterdir()} == {"results.json", "items.csv", "notes.txt"}


def test_a_classes_name_does_not_break_the_table(capsys, files, tmp_path):
    labels = np.where(LABELS == "cat", "c" * 50, "d\nog")
    np.save(files[1], labels)
    assert main(["evaluate", *files[:2], "--out", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert "\nd og " in output
    assert f"\n{'c' * 31}…" in output


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"codes": CODES[0]}, [], "codes.npy must hold codes of shape (n, d), it holds shape (6,)"),
        ({"codes": CODES[:0]}, [], "codes.npy must hold codes of shape (n, d), it holds shape (0, 6)"),
        ({"codes": CODES.astype(str)}, [], "codes.npy must hold real numbers, it holds <U"),
        ({"labels": LABELS[:7]}, [], "labels.npy has 7 labels, and"),
        (
            {"labels": LABELS[:, None]},
            [],
            "must hold labels of shape (n,), it holds shape (40, 1)",
        ),
        ({"labels": LABELS.astype(object)}, [], "labels that are objects as strings: numpy.save("),
        ({"test_codes": ITEMS[:, :2]}, "test", "test_codes.npy has codes of 2 dimensions, and "),
        ({"test_labels": TRUTH[:2]}, "test", "test_labels.npy has 2 labels, and "),
        (
            {},
            ["--neighbours", "40"],
            "must be at most 39, the number of other codes, received 40",
        ),
        ({}, ["--neighbours", "0"], "--neighbours: must be at least 1, received 0"),
        ({}, ["--duplicates-above", "1.5"], "--duplicates-above: must be at most 1, received 1.5"),
        ({}, ["--weights", "loud"], "invalid choice: 'loud'"),
        ({}, ["--engine", "warp"], "invalid choice: 'warp'"),
        ({"codes": CODES[:1], "labels": LABELS[:1]}, [], "has a single code, and leaving it out leaves none"),
        ({"codes": CODES * np.nan}, [], "row 0"),
        (
            {"test_labels": np.arange(12)},
            "test",
            "must be of one kind",
        ),
        ({}, ["--leave-one-out", "--test", "a", "b"], "not allowed with argument"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    capsys, files, tmp_path, change, options, message
):
    for name, array in change.items():
        np.save(tmp_path / name, array)
    options = ["--test", *files[2:]] if options == "test" else options
    assert message in refused(capsys, "evaluate", *files[:2], *options, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read_are_named(capsys, files, tmp_path):
    out = ["--out", str(tmp_path / "out")]
    nowhere, damaged, text = (str(tmp_path / name) for name in ("nowhere.npy", "damaged.npy", "lines.txt"))
    assert f"{nowhere} cannot be read: No such file" in refused(capsys, "evaluate", nowhere, files[1], *out)
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY")
    assert f"{damaged} holds no array" in refused(capsys, "evaluate", damaged, files[1], *out)
    (tmp_path / "lines.txt").write_text("cat\n\ndog\n")
    assert f"line 2 of {text} is empty" in refused(capsys, "evaluate", files[0], text, *out)
    (tmp_path / "lines.txt").write_bytes(b"\xff\xfe\x00")
    assert f"{text} is neither a .npy file nor text" in refused(capsys, "evaluate", files[0], text, *out)
    np.savez(tmp_path / "several.npz", CODES)
    several = str(tmp_path / "several.npz")
    assert f"{several} holds several arrays" in refused(capsys, "evaluate", several, files[1], *out)


def test_a_folder_of_something_else_is_refused(capsys, files, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    command = ["evaluate", *files[:2], "--out", str(out)]
    assert "is not empty: give another folder, or --overwrite" in refused(capsys, *command)
    assert "holds no evaluation" in refused(capsys, *command, "--overwrite")
    assert "is a file; give a folder" in refused(capsys, *command[:-1], str(out / "notes.txt"))
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_told(capsys, files, tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused(
        capsys, "evaluate", *files[:2], "--out", str(tmp_path / "file" / "out")
    )


@pytest.mark.parametrize("wrong", [["--neighbours", "40"], ["--weights", "loud"]])
def test_misuse_is_said_before_a_heavy_library_is_imported(files, tmp_path, wrong):
    script = (
        "import sys; from latentknn.cli import main\n"
        "try: status = main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        "assert status == 2, status\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    arguments = ["evaluate", *files[:2], "--out", str(tmp_path / "out"), *wrong]
    status, _, errors = run_python("-c", script, *arguments)
    assert status == 0, errors


def test_an_evaluation_imports_no_tensorflow(files, tmp_path):
    script = (
        "import sys; from latentknn.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    arguments = ["evaluate", *files[:2], "--out", str(tmp_path / "out")]
    status, _, errors = run_python("-c", script, *arguments)
    assert status == 0, errors
    assert errors == ""


def test_a_missing_pyarrow_is_told_before_anything_is_done(capsys, files, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    out = ["--out", str(tmp_path / "out")]
    message = refused(capsys, "evaluate", *files[:2], *out, "--export", "atlas")
    assert 'pip install "latentknn[tables]"' in message
    assert not (tmp_path / "out").exists()


def test_digits_are_evaluated_in_one_command(tmp_path, capsys):
    digits = lk.datasets.load("digits")
    for name, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("test", digits.test_images, digits.test_labels),
    ):
        np.save(tmp_path / f"{name}.npy", images.reshape(len(images), -1))
        np.save(tmp_path / f"{name}_labels.npy", np.asarray(digits.class_names)[labels])
    train, test = (
        [str(tmp_path / f"{name}.npy"), str(tmp_path / f"{name}_labels.npy")] for name in ("train", "test")
    )
    assert main(["evaluate", *train, "--test", *test, "--out", str(tmp_path / "out")]) == 0
    values = json.loads((tmp_path / "out" / "results.json").read_text())
    assert values["nearest"] == {"correct": 480, "total": 500}
    assert "nearest code" in capsys.readouterr().out
