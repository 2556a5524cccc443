"""The examples, the command and the pictures of the README and of pages of docs/."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentknn as lk

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_the_first_example_runs_as_printed():
    assert len([line for line in EXAMPLES[0].splitlines() if line.strip()]) <= 10
    run = subprocess.run([sys.executable, "-c", EXAMPLES[0]], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    accuracy = float(re.fullmatch(r"accuracy (0\.\d{3})\n", run.stdout).group(1))
    assert accuracy > 0.95


def test_all_code_in_python_is_marked():
    blocks = re.findall(r"^```(.*)\n(.*?)^```", README.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert [code for language, code in blocks if "import " in code and language != "python"] == []


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=lambda example: example.splitlines()[0])
def test_the_examples_below_run_as_printed(example, tmp_path, monkeypatch):
    """They have their reader's folder of pictures, encoder and way of preparing its input."""
    digits = lk.datasets.load("digits")
    for number, label in enumerate(digits.train_labels[:60] % 2):
        place = tmp_path / "pictures" / str(label) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.train_images[number] * 15).save(place)
    monkeypatch.chdir(tmp_path)
    names = {
        "model": lambda images: images[:, ::12, ::12].reshape(len(images), -1),
        "preprocess": lambda images: images / np.float32(255),
    }
    exec(example, names)
    if "RunFolder" in example:
        assert names["experiment"].nearest.accuracy.value > 0.5
        assert (tmp_path / "report" / "index.html").is_file()
    else:
        assert names["ids"].shape == (500, 3)


def test_codes_win_in_the_command_that_needs_no_download(tmp_path):
    (command,) = re.findall(
        r"^latentknn (run --dataset digits .*) --out \S+$", README.read_text(), re.MULTILINE
    )
    arguments = [*command.split(), "--out", str(tmp_path / "report")]
    run = subprocess.run(
        [sys.executable, "-m", "latentknn", *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    accuracy = {name: result["accuracy"] for name, result in record["results"].items()}
    assert accuracy["nearest"] > accuracy["pixels"]
    assert accuracy["chosen"] >= accuracy["nearest"]


def test_the_example_of_the_evaluation_page_runs(tmp_path):
    page = README.parent / "docs" / "evaluation.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "gets 0.9620 of 500 test items right" in run.stdout
    assert (tmp_path / "results.json").stat().st_size > 0


def test_the_example_of_the_command_lines_page_runs():
    page = README.parent / "docs" / "command-line.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "(0, 500) (500, 500)\n"


@pytest.mark.parametrize("room", [lk.shards, lk.distributed])
def test_the_page_of_a_room_names_all_that_is_public_there(room):
    name = room.__name__.rpartition(".")[2]
    page = (README.parent / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert [each for each in room.__all__ if not re.search(rf"\b{each}\b", page)] == []


def test_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text())
    assert pictures
    assert all((README.parent / picture).is_file() for picture in pictures)
