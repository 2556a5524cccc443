"""The command ``run``: its files, and how it resumes a run that has ended or was interrupted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import load_file

import latentknn as lk
from cli_cases import QUICK, refused
from latentknn.cli import main
from new_interpreter import HANG, run_python


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """Return the folder, the output and the errors of a run of two epochs."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    arguments = ["run", *QUICK, "--epochs", "2", "--latent-dim", "7", "--out", str(out)]
    status, output, errors = run_python("-m", "latentknn", *arguments)
    assert status == 0, errors
    return out, output, errors


def test_a_run_writes_its_files(finished_run):
    out, _, _ = finished_run
    pictures = {
        "confusion_matrix.png",
        "losses.png",
        "reconstructions.png",
        "code_map.png",
        "decoded_map.png",
        "codes.png",
        "interpolation.png",
        "samples.png",
    }
    assert {path.name for path in out.iterdir()} == pictures | {
        "checkpoint",
        "classification_report.txt",
        "encoder.keras",
        "epochs",
        "index.html",
        "index.safetensors",
        "report.json",
        "settings.json",
        "test_codes.safetensors",
    }
    assert {path.name for path in (out / "epochs").iterdir()} == {
        f"{kind}_{epoch:04}.png" for kind in ("generated", "reconstructions") for epoch in (1, 2)
    }
    assert '<a href="epochs">' in (out / "index.html").read_text()
    for picture in [*pictures, "epochs/generated_0002.png", "epochs/reconstructions_0001.png"]:
        assert imread(out / picture)[..., :3].std() > 0.02


def test_a_run_says_in_words_what_is_better(finished_run):
    out, output, _ = finished_run
    record = json.loads((out / "report.json").read_text())
    assert record["comparisons"]
    for comparison in record["comparisons"]:
        assert f"\n{comparison['sentence']}\n" in output


def test_accuracies_of_a_run_follow_from_its_codes(finished_run):
    out, output, _ = finished_run
    digits = lk.datasets.load("digits")
    index = lk.CosineIndex.load(out / "index.safetensors")
    test = load_file(out / "test_codes.safetensors")
    record = json.loads((out / "report.json").read_text())
    assert index.codes.shape == (1297, 7)
    assert np.array_equal(index.labels, digits.train_labels)
    assert np.array_equal(test["labels"], digits.test_labels)

    unit_train, unit_test = (
        codes / np.linalg.norm(codes, axis=1, keepdims=True)
        for codes in (index.codes.astype(np.float64), test["codes"].astype(np.float64))
    )
    nearest = (unit_test @ unit_train.T).argmax(axis=1)
    accuracy = np.mean(digits.train_labels[nearest] == digits.test_labels)
    assert record["results"]["nearest"]["accuracy"] == accuracy

    chosen = record["choice"]["chosen"]
    classifier = lk.CosineKNNClassifier(chosen["k"], weights=chosen["weights"])
    classifier.fit(index.codes, digits.train_labels)
    assert np.array_equal(classifier.predict(test["codes"]), test["chosen"])
    chosen_accuracy = classifier.score(test["codes"], digits.test_labels)
    assert record["results"]["chosen"]["accuracy"] == chosen_accuracy

    pixels = lk.CosineKNNClassifier().fit(digits.train_images.reshape(1297, 64), digits.train_labels)
    baseline = pixels.score(digits.test_images.reshape(500, 64), digits.test_labels)
    assert record["results"]["pixels"]["accuracy"] == baseline

    for value in (accuracy, chosen_accuracy, baseline):
        assert f"  {value:.4f}  " in output
    report = (out / "classification_report.txt").read_text()
    assert f"accuracy {accuracy:.4f} [" in report
    assert "weighted avg" in report


def test_saved_encoder_gives_the_saved_codes(finished_run):
    out, _, _ = finished_run
    encoder = lk.models.load(out / "encoder.keras")
    codes = encoder.encode(lk.datasets.load("digits").test_images)
    assert codes.tobytes() == load_file(out / "test_codes.safetensors")["codes"].tobytes()


def test_every_stage_is_printed_with_its_rate(finished_run):
    out, output, _ = finished_run
    stages = json.loads((out / "report.json").read_text())["stages"]
    assert {"train", "encode training images", "encode test images", "build index", "choose vote"} <= {
        stage["name"] for stage in stages
    }
    for stage in stages:
        line = rf"{re.escape(stage['name'])}: {stage['items']:,} {stage['unit']} in [\d.]+ s, [\d.,]+ "
        assert re.search(line, output), stage["name"]


def test_tensorflow_starts_quietly(finished_run):
    _, _, errors = finished_run
    assert errors == ""


def test_overwritten_and_resumed_run_equals_one_without_a_break(finished_run, tmp_path):
    whole, _, _ = finished_run
    out = tmp_path / "digits"
    out.mkdir()
    (out / "settings.json").write_text(json.dumps({"model": "another"}))
    (out / "index.html").write_text("an older report")
    (out / "notes.txt").write_text("mine")
    arguments = ["run", *QUICK, "--latent-dim", "7", "--out", str(out)]
    assert main([*arguments, "--epochs", "1", "--overwrite"]) == 0
    assert (out / "notes.txt").read_text() == "mine"
    assert "simple_ae on digits" in (out / "index.html").read_text()

    assert main([*arguments, "--epochs", "2", "--resume"]) == 0
    for name in ("index.safetensors", "test_codes.safetensors"):
        resumed, unbroken = load_file(out / name), load_file(whole / name)
        assert {key: array.tobytes() for key, array in resumed.items()} == {
            key: array.tobytes() for key, array in unbroken.items()
        }
    record = json.loads((out / "report.json").read_text())
    assert len(record["training"]["history"]["loss"]) == 2
    # The resumed run trained one epoch, on the images that are not held out.
    assert record["stages"][0]["items"] == 1189


def test_ctrl_c_leaves_a_run_that_can_be_resumed(tmp_path):
    options = ["--option", "hidden_units=(20, 10)", "--option", "activation=elu"]
    arguments = ["run", *QUICK, *options, "--out", str(tmp_path / "digits")]
    process = subprocess.Popen(
        [sys.executable, "-m", "latentknn", *arguments, "--epochs", "100000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + HANG
        while not (tmp_path / "digits" / "checkpoint" / "checkpoint.safetensors").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "--resume goes on from the last whole epoch" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "digits" / "report.json").exists()

    assert main([*arguments, "--epochs", "1", "--resume"]) == 0
    record = json.loads((tmp_path / "digits" / "report.json").read_text())
    assert record["stages"][0]["items"] == 0
    assert len(record["training"]["history"]["loss"]) >= 1
    assert record["model"]["config"]["hidden_units"] == [20, 10]
    assert record["model"]["config"]["activation"] == "elu"


def test_resuming_with_other_settings_is_refused(capsys, finished_run):
    out, _, _ = finished_run
    before = (out / "settings.json").read_text()
    others = ["--seed", "4", "--latent-dim", "8"]
    message = refused(capsys, "run", *QUICK, *others, "--out", str(out), "--resume")
    assert "cannot be resumed with other settings" in message
    assert "seed was 3 and is 4" in message
    assert "latent_dim was 7 and is 8" in message
    assert (out / "settings.json").read_text() == before
