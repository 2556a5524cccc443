"""Names that are misspelt on the command line: what is meant is said, before a heavy library is imported."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
from cli_cases import refused
from latentknn.cli import main
from latentknn.models import MODELS
from new_interpreter import run_python

MISSPELT = [
    (["modls"], "No such command 'modls'. Did you mean 'models'?"),
    (["datasets", "fech"], "No such command 'fech'. Did you mean 'fetch'?"),
    (["run", "--epoch", "3"], "No such option: --epoch (Possible options: --epochs)"),
    (["run", "--out", "out", "--model", "conv_aee"], "did you mean conv_ae?"),
    (["models", "conv_aee"], "did you mean conv_ae?"),
    (["run", "--out", "out", "--dataset", "fashion_mist"], "did you mean fashion_mnist?"),
    (["datasets", "fetch", "mnst"], "did you mean mnist?"),
    (["run", "--out", "out", "--option", "filter=3"], "conv_ae has no option 'filter'; it has latent_dim,"),
    (["run", "--out", "out", "--option", "filter=3"], "did you mean filters?"),
    (["evaluate", "a", "b", "--out", "out", "--weights", "unifrm"], "did you mean uniform?"),
    (["evaluate", "a", "b", "--out", "out", "--engine", "cudda"], "did you mean cuda?"),
    (["evaluate", "a", "b", "--out", "out", "--export", "atals"], "did you mean atlas?"),
    (
        ["cluster", "classify", "a", "b", "--weights", "softmx"],
        "invalid choice: 'softmx' (choose from uniform, similarity, softmax); did you mean softmax?",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), MISSPELT)
def test_a_misspelt_name_is_told_with_what_is_meant(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_is_like_nothing_gets_no_suggestion(capsys):
    assert "mean" not in refused(capsys, "models", "zzz")


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in MISSPELT])
def test_a_misspelt_name_imports_no_heavy_library(tmp_path, arguments):
    script = (
        "import sys; from latentknn.cli import main\n"
        "try: status = main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        "assert status == 2, status\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    status, _, errors = run_python("-c", script, *arguments, folder=tmp_path)
    assert status == 0, errors


@pytest.mark.parametrize("name", MODELS)
def test_the_options_of_a_model_are_listed(capsys, name):
    assert main(["models", name]) == 0
    output = capsys.readouterr().out
    head, operations, _, header, *lines, _, hint = output.splitlines()
    assert head == f"{name}: {MODELS[name].description}"
    assert all(operation in operations for operation in MODELS[name].capabilities)
    assert header.split() == ["option", "default", "meaning"]
    options = {line.split()[0]: line for line in lines}
    assert {"latent_dim", "learning_rate", "dtype"} - set(options) <= {"latent_dim"}
    assert not {"input_shape", "num_classes", "seed"} & set(options)
    assert f"--model {name} --option NAME=VALUE" in hint


def test_an_option_of_a_model_is_listed_with_default_and_meaning(capsys):
    main(["models", "conv_ae"])
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["latent_dim", "128", "Length of a code. (int)"] in rows


def complete(*words, shell="bash"):
    """Return what a shell is told that the last word may become."""
    status, output, errors = run_python(
        "-m",
        "latentknn",
        _LATENTKNN_COMPLETE=f"complete_{shell}",
        COMP_WORDS=" ".join(("latentknn", *words)),
        COMP_CWORD=str(len(words)),
    )
    assert (status, errors) == (0, "")
    return output.split()


def test_shells_complete_commands_options_and_names():
    assert complete("mo") == ["models"]
    assert set(complete("run", "--ep")) == {"--epochs"}
    assert complete("run", "--model", "con") == ["conv_ae", "conditional_ae"]
    assert complete("models", "vq") == ["vqvae"]
    assert complete("run", "--dataset", "") == list(lk.datasets.NAMES)
    assert complete("datasets", "fetch", "fa") == ["fashion_mnist"]
    assert complete("evaluate", "--weights", "s") == ["similarity", "softmax"]


def test_completion_is_printed_for_a_shell():
    # Typer looks for a shell among the processes above, where there need not be one.
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    status, output, _ = run_python("-m", "latentknn", "--show-completion", "bash", **named)
    assert status == 0
    assert "_LATENTKNN_COMPLETE=complete_bash" in output


def test_arrays_that_cannot_be_read_are_told_after_names(capsys, tmp_path):
    np.save(tmp_path / "codes.npy", np.eye(3))
    arguments = ["evaluate", str(tmp_path / "codes.npy"), "nowhere.npy", "--out", str(tmp_path / "out")]
    assert "nowhere.npy cannot be read" in refused(capsys, *arguments)
