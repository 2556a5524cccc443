"""The command line on a terminal, and where its output leads elsewhere."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cli_cases import QUICK
from latentknn.models import MODELS
from new_interpreter import run_python
from terminal import run_on_terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_terminal(*arguments, width=80):
    """Return what a terminal shows of a command, without its colours."""
    status, output = run_on_terminal("-m", "latentknn", *arguments, width=width)
    assert status == 0, output
    return ESCAPES.sub("", output)


@pytest.mark.parametrize("width", [50, 80, 200])
@pytest.mark.parametrize("arguments", [["models"], ["models", "metric"], ["datasets"], ["engines"]])
def test_tables_fit_the_width_of_a_terminal(arguments, width):
    output = on_terminal(*arguments, width=width)
    table = output.split("\n\n")[1 if arguments == ["models", "metric"] else 0]
    assert max(map(len, table.splitlines())) <= width
    if arguments == ["models"] and width >= 80:
        # No word is lost, or broken.
        words = set(table.split())
        assert all(set(entry.description.split()) <= words for entry in MODELS.values())


def test_tables_are_plain_where_nobody_looks():
    for arguments in (["models"], ["models", "metric"], ["datasets"], ["engines"], ["run", "--help"]):
        status, output, _ = run_python("-m", "latentknn", *arguments, COLUMNS="40")
        assert status == 0
        assert not ESCAPES.search(output)
        assert not set("│╭━┃") & set(output)
    assert [line.split()[0] for line in run_python("-m", "latentknn", "models")[1].splitlines()[1:]] == list(
        MODELS
    )


def test_help_on_a_terminal_has_headings():
    output = on_terminal("run", "--help")
    assert all(heading in output for heading in ("Data", "Model", "Training", "Output"))
    assert "--resume" in output


def test_every_long_stage_of_a_run_is_shown_on_a_terminal(tmp_path):
    output = on_terminal("run", *QUICK, "--epochs", "1", "--out", str(tmp_path / "out"))
    for stage in (
        "import TensorFlow",
        "load digits",
        "encode training images",
        "encode test images",
        "build index",
        "choose vote",
        "search codes, k =",
        "search pixels, k = 1",
        "t-SNE of test codes",
        "draw pictures",
    ):
        assert stage in output, stage
    # Keras shows the training itself.
    assert "19/19" in output
    assert "1,297/1,297" in output
    assert "oneDNN" not in output


def test_every_long_stage_of_an_evaluation_is_shown_on_a_terminal(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "codes.npy", rng.standard_normal((60, 6)))
    np.save(tmp_path / "labels.npy", np.arange(60) % 3)
    files = [str(tmp_path / "codes.npy"), str(tmp_path / "labels.npy")]
    output = on_terminal("evaluate", *files, "--out", str(tmp_path / "out"), "--page")
    for stage in (
        "build index",
        "search neighbours",
        "measure retrieval",
        "find near-duplicates",
        "place items",
        "draw page",
    ):
        assert stage in output, stage
    assert "60/60" in output


def test_the_output_for_others_has_no_progress(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "codes.npy", rng.standard_normal((60, 6)))
    np.save(tmp_path / "labels.npy", np.arange(60) % 3)
    files = [str(tmp_path / "codes.npy"), str(tmp_path / "labels.npy")]
    status, output, errors = run_python(
        "-m", "latentknn", "evaluate", *files, "--out", str(tmp_path / "out"), "--page"
    )
    assert (status, errors) == (0, "")
    assert output.startswith("60 codes of 6 dimensions")
