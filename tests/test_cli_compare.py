"""The command ``compare``, over the folders of runs and of evaluations."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import load_file

import latentknn as lk
from cli_cases import refused
from latentknn.cli import main
from latentknn.evaluation import ComparedRuns, PairedTest, run_experiment
from latentknn.report import RunFolder, write_report
from new_interpreter import run_python

RNG = np.random.default_rng(0)
NAMES = ("ant", "bee", "cat")
TRUTH = RNG.integers(0, 3, 60)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return the folders of two runs that differ by their seeds, and of an evaluation of the same items."""
    root = tmp_path_factory.mktemp("compared")
    train_labels = RNG.integers(0, 3, 120)
    patterns = RNG.integers(0, 100, (3, 6, 5))
    train, test = (
        (patterns[labels] + RNG.integers(0, 156, (len(labels), 6, 5))).astype(np.uint8)
        for labels in (train_labels, TRUTH)
    )
    dataset = lk.datasets.Dataset("tiles", train, train_labels, test, TRUTH, NAMES)
    runs = []
    for seed in (3, 4):
        model = lk.models.create("simple_ae", input_shape=dataset.image_shape, latent_dim=3, seed=seed)
        experiment = run_experiment(dataset, model, epochs=2, seed=seed, verbose=0)
        runs.append(root / f"seed-{seed}")
        write_report(experiment, RunFolder(runs[-1]))
    for name, images, labels in (("train", train, train_labels), ("test", test, TRUTH)):
        np.save(root / f"{name}.npy", images.reshape(len(images), -1))
        np.save(root / f"{name}_labels.npy", np.array(NAMES)[labels])
    codes, labels, items, truth = (
        str(root / f"{name}.npy") for name in ("train", "train_labels", "test", "test_labels")
    )
    pixels = root / "pixels"
    assert main(["evaluate", codes, labels, "--test", items, truth, "--out", str(pixels)]) == 0
    return [*runs, pixels]


def test_runs_and_evaluations_are_compared(capsys, folders, tmp_path):
    out = tmp_path / "out"
    names = [folder.name for folder in folders]
    assert main(["compare", *map(str, folders), "--out", str(out)]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert {path.name for path in out.iterdir()} == {
        "comparison.json",
        "curves.csv",
        "curves.png",
        "items.csv",
    }
    compared = ComparedRuns.from_json((out / "comparison.json").read_bytes())
    answers = [load_file(folder / "test_codes.safetensors") for folder in folders[:2]]
    right = [each["chosen"] == each["labels"] for each in answers]
    items = json.loads((folders[2] / "results.json").read_text())["items"]
    right.append(np.equal(items["predictions"], items["classes"]))
    assert [run.name for run in compared.runs] == names
    assert [run.accuracy.correct for run in compared.runs] == [int(each.sum()) for each in right]
    for pair in compared.pairs:
        first, second = names.index(pair.first), names.index(pair.second)
        assert pair.test == PairedTest.of(right[first], right[second])
        line = next(
            line for line in output.splitlines() if line.startswith(pair.first) and pair.second in line
        )
        assert f"{pair.test.p_value:.2g}" in line.split()
    (seeds,) = compared.seeds
    assert list(seeds.runs) == names[:2]
    for sentence, pair in zip(compared.sentences(), compared.pairs, strict=True):
        assert (sentence in output) == (compared.best.name in (pair.first, pair.second))
    record = json.loads((folders[0] / "report.json").read_text())
    first = next(point for point in compared.curves if point.quantity == "loss")
    assert first.lowest <= record["training"]["history"]["loss"][0] <= first.highest
    with (out / "items.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["runs that are right"]) for row in rows] == np.sum(right, axis=0).tolist()
    assert [row[names[2]] == row["label"] for row in rows] == right[2].tolist()
    assert imread(out / "curves.png")[..., :3].std() > 0.01


def test_a_comparison_replaces_an_earlier_one_alone(capsys, folders, tmp_path):
    out, names = tmp_path / "out", [str(folder) for folder in folders]
    assert main(["compare", *names, "--out", str(out)]) == 0
    (out / "notes.txt").write_text("mine")
    command = ["compare", *names[1:], "--out", str(out)]
    assert main([*command, "--overwrite"]) == 0
    assert {path.name for path in out.iterdir()} == {"comparison.json", "items.csv", "notes.txt"}
    capsys.readouterr()
    assert "is not empty: give another folder, or --overwrite" in refused(capsys, *command)
    (out / "comparison.json").unlink()
    assert "holds no comparison" in refused(capsys, *command, "--overwrite")


def test_an_evaluation_is_compared_without_tensorflow_and_matplotlib(folders, tmp_path):
    shutil.copytree(folders[2], tmp_path / "same")
    script = (
        "import sys; from latentknn.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    status, output, errors = run_python("-c", script, "compare", str(folders[2]), str(tmp_path / "same"))
    assert (status, errors) == (0, "")
    assert "get the same items right." in output


def test_runs_whose_folders_have_one_name_are_called_by_their_paths(capsys, folders, tmp_path):
    shutil.copytree(folders[2], tmp_path / "pixels")
    paths = [str(folders[2]), str(tmp_path / "pixels")]
    assert main(["compare", *paths]) == 0
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()[1:3]] == paths


def test_what_cannot_be_compared_is_refused(capsys, folders, tmp_path):
    runs = [str(folder) for folder in folders]
    assert "give at least two runs to compare" in refused(capsys, "compare", runs[0])
    assert "runs must have different names" in refused(capsys, "compare", runs[0], runs[0])
    assert "is no folder; name folders" in refused(capsys, "compare", runs[0], str(tmp_path / "nowhere"))
    assert "holds neither a finished run" in refused(capsys, "compare", runs[0], str(tmp_path))
    np.save(tmp_path / "codes.npy", RNG.random((60, 3)))
    np.save(tmp_path / "labels.npy", np.array(NAMES)[(TRUTH + 1) % 3])
    files = [str(tmp_path / "codes.npy"), str(tmp_path / "labels.npy")]
    assert main(["evaluate", *files, "--out", str(tmp_path / "other")]) == 0
    capsys.readouterr()
    message = refused(capsys, "compare", runs[0], str(tmp_path / "other"))
    assert "only runs over the same items in the same order can be compared" in message


def test_damaged_folders_are_named(capsys, folders, tmp_path):
    run, pixels = str(folders[0]), str(folders[2])
    for number, (folder, file) in enumerate(
        ((run, "report.json"), (run, "test_codes.safetensors"), (pixels, "results.json"))
    ):
        damaged = tmp_path / str(number)
        shutil.copytree(folder, damaged)
        (damaged / file).write_text("{}")
        message = refused(capsys, "compare", run, str(damaged))
        assert str(damaged) in message
        assert "holds no" in message
