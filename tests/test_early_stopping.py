"""Trainings that end when the held-out loss has stopped falling, by `run_experiment` and the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import latentknn as lk
from cli_cases import QUICK, refused
from latentknn.cli import main
from latentknn.evaluation import run_experiment
from latentknn.models.backend import keras
from latentknn.report import RunFolder, write_report, writing


@pytest.fixture(scope="module")
def digits():
    whole = lk.datasets.load("digits")
    return replace(whole, train_images=whole.train_images[:300], train_labels=whole.train_labels[:300])


class Spoil(keras.callbacks.Callback):
    """Make all weights useless before the fourth epoch, and break off before another one if asked to."""

    def __init__(self, broken_off_before=None):
        super().__init__()
        self.last = broken_off_before

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            self.model.set_weights([100 * np.ones_like(weight) for weight in self.model.get_weights()])
        if epoch == self.last:
            raise KeyboardInterrupt


def experiment(digits, epochs, **options):
    model = lk.models.create("simple_ae", input_shape=digits.image_shape, latent_dim=6, hidden_units=(12,))
    return run_experiment(
        digits, model, epochs=epochs, batch_size=64, verbose=0, record_samples=False, **options
    )


@pytest.fixture(scope="module")
def three_epochs(digits):
    return experiment(digits, 3)


@pytest.fixture(scope="module")
def stopped(digits):
    return experiment(digits, 9, patience=2, callbacks=[Spoil()])


def test_a_training_ends_and_has_the_weights_of_its_best_epoch(stopped, three_epochs):
    assert len(stopped.history["loss"]) == 5
    assert stopped.best_epoch == 3
    assert three_epochs.best_epoch is None
    assert stopped.index.codes.tobytes() == three_epochs.index.codes.tobytes()


def test_the_best_weights_come_back_also_where_the_epochs_end_first(digits, three_epochs):
    found = experiment(digits, 4, patience=7, callbacks=[Spoil()])
    assert (len(found.history["loss"]), found.best_epoch) == (4, 3)
    assert found.index.codes.tobytes() == three_epochs.index.codes.tobytes()


def test_a_training_that_was_broken_off_ends_where_it_would_have(digits, stopped, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        experiment(digits, 9, patience=2, callbacks=[Spoil(4)], checkpoint_dir=tmp_path)
    resumed = experiment(digits, 9, patience=2, checkpoint_dir=tmp_path, resume=True)
    assert resumed.history == stopped.history
    assert resumed.best_epoch == 3
    assert resumed.index.codes.tobytes() == stopped.index.codes.tobytes()

    # One that has ended stays as it is, and goes on with more patience.
    again = experiment(digits, 12, patience=2, checkpoint_dir=tmp_path, resume=True)
    assert (again.history, again.best_epoch) == (stopped.history, 3)
    assert again.index.codes.tobytes() == stopped.index.codes.tobytes()
    longer = experiment(digits, 12, patience=4, checkpoint_dir=tmp_path, resume=True)
    assert len(longer.history["loss"]) >= 7
    assert longer.history["loss"][:5] == stopped.history["loss"]


def test_the_report_says_which_epoch_it_is(stopped, three_epochs, tmp_path):
    for name, found in (("stopped", stopped), ("whole", three_epochs)):
        write_report(found, RunFolder(tmp_path / name))
    page = (tmp_path / "stopped" / "index.html").read_text(encoding="utf-8")
    assert (
        "for 5 epochs, seed 0. The weights are those of epoch 3, which had the lowest held-out loss." in page
    )
    assert json.loads((tmp_path / "stopped" / "report.json").read_text())["training"]["best_epoch"] == 3
    assert "The weights are those" not in (tmp_path / "whole" / "index.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "whole" / "report.json").read_text())["training"]["best_epoch"] is None


def test_the_command_takes_a_patience(capsys, tmp_path, monkeypatch):
    """At such a rate nothing is learnt, and the first epoch stays the best."""
    found = []
    monkeypatch.setattr(
        writing, "write_report", lambda experiment, folder, stopwatch: found.append(experiment)
    )
    monkeypatch.chdir(tmp_path)
    options = [*QUICK, "--learning-rate", "1e-30", "--epochs", "6", "--patience", "2"]
    assert main(["run", *options, "--out", "run"]) == 0
    output = capsys.readouterr().out
    assert "The weights are those of epoch 1, which had the lowest held-out loss." in output
    assert len(found[-1].history["loss"]) == 3
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["patience"] == 2
    assert main(["run", "--resume", "run"]) == 0
    assert len(found[-1].history["loss"]) == 3
    assert main(["run", "--resume", "run", "--patience", "3"]) == 0
    assert len(found[-1].history["loss"]) == 4


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("metric", "the learning rate of metric goes through one cycle"),
        ("gan", "the loss of gan is that of two networks against each other"),
    ],
)
def test_a_patience_that_tells_nothing_is_refused_before_anything_is_written(
    capsys, tmp_path, model, message
):
    out = tmp_path / "run"
    arguments = ["run", "--dataset", "digits", "--model", model, "--patience", "3", "--out", str(out)]
    assert message in refused(capsys, *arguments)
    assert not out.exists()


def test_a_patience_needs_epochs(digits):
    with pytest.raises(ValueError, match="received patience without epochs"):
        run_experiment(digits, lambda images: images.reshape(len(images), -1), patience=2)
    with pytest.raises(ValueError, match="received patience 0, expected at least 1"):
        experiment(digits, 2, patience=0)
