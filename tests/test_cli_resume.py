"""The option ``--resume`` of the command ``run``, which reads the run's own settings."""

from __future__ import annotations

import json

import pytest

from cli_cases import QUICK, refused
from latentknn.cli import main
from latentknn.report import writing

experiments = []


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return the folder of a run of one epoch, beside which the tests are; nothing is drawn."""

    def note(experiment, folder, stopwatch):
        experiments.append(experiment)

    monkeypatch.setattr(writing, "write_report", note)
    monkeypatch.chdir(tmp_path)
    options = ["--latent-dim", "7", "--option", "hidden_units=(20, 10)"]
    assert main(["run", *QUICK, *options, "--epochs", "1", "--out", "before"]) == 0
    return tmp_path / "before"


def epochs_of_the_last():
    return len(experiments[-1].history["loss"])


def test_a_run_is_resumed_by_its_folder_alone(capsys, run):
    settings = json.loads((run / "settings.json").read_text())
    assert settings == {
        "dataset": "digits",
        "model": "simple_ae",
        "options": {"latent_dim": 7, "hidden_units": [20, 10]},
        "batch_size": 64,
        "seed": 3,
        "image_size": None,
        "data": None,
        "epochs": 1,
        "patience": None,
        "threads": None,
    }
    assert main(["run", "--resume", "before", "--epochs", "2"]) == 0
    assert epochs_of_the_last() == 2
    assert json.loads((run / "settings.json").read_text()) == settings | {"epochs": 2}
    assert main(["run", "--resume", "before"]) == 0
    assert epochs_of_the_last() == 2
    assert "train: 0 images" in capsys.readouterr().out
    # The settings may be repeated, and the folder may be named by --out, before or after the option.
    same = ["--model", "simple_ae", "--option", "hidden_units=(20, 10)", "--seed", "3"]
    for arguments in (["--resume", "--out", "before", *same], [*same, "--out", "before", "--resume"]):
        assert main(["run", *arguments]) == 0
    assert main(["run", "--resume", "before", "--out", "before"]) == 0

    before, count = (run / "settings.json").read_text(), len(experiments)
    capsys.readouterr()
    for arguments, said in (
        (["--seed", "4"], "seed was 3 and is 4"),
        (["--latent-dim", "8"], "latent_dim was 7 and is 8"),
        (["--option", "activation=elu"], "activation was not given and is 'elu'"),
        (["--model", "deep_ae"], "model was 'simple_ae' and is 'deep_ae'"),
        (["--batch-size", "32"], "batch_size was 64 and is 32"),
        (["--dataset", "mnist"], "dataset was 'digits' and is 'mnist'"),
    ):
        message = refused(capsys, "run", "--resume", "before", *arguments)
        assert "the run in before cannot be resumed with other settings: " in message
        assert said in message
        assert "Leave them out to go on with its own" in message
    assert "names before, and --out other" in refused(capsys, "run", "--resume", "before", "--out", "other")
    assert (run / "settings.json").read_text() == before
    assert len(experiments) == count


def test_a_run_of_version_0_1_is_resumed(run):
    """Its settings lack what may change."""
    settings = json.loads((run / "settings.json").read_text())
    old = {name: settings[name] for name in ("dataset", "model", "options", "batch_size", "seed")}
    (run / "settings.json").write_text(json.dumps(old))
    assert main(["run", "--resume", "before", "--epochs", "2"]) == 0
    assert epochs_of_the_last() == 2


def test_what_cannot_be_resumed_is_refused(capsys, tmp_path):
    nowhere = tmp_path / "nowhere"
    assert "is no folder; give that of the run" in refused(capsys, "run", "--resume", str(nowhere))
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds no run" in refused(capsys, "run", "--resume", str(tmp_path))
    (tmp_path / "settings.json").write_text('{"seed": "three"}')
    message = refused(capsys, "run", "--resume", str(tmp_path))
    assert "holds no settings of a run: Expected `int`, got `str` - at `$.seed`" in message
    assert "give a new or empty folder by --out DIR, or that of a run by --resume DIR" in refused(
        capsys, "run", "--resume"
    )
    assert "argument --overwrite: not allowed with argument --resume" in refused(
        capsys, "run", "--resume", str(tmp_path), "--overwrite"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "settings.json"]
