"""The code on the pages of the site runs as printed; cells of notebooks are executed when the site is built.

`make docs` builds the site, and checks links.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import latentknn as lk
from latentknn.cli import main
from latentknn.report import RunFolder, write_report

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]

# Pages whose examples a file of their own runs, because they need more than is installed everywhere.
TESTED_IN = {
    "ann-benchmarks.md": "test_ann_benchmarks.py",
    "command-line.md": "test_readme.py",
    "distributed.md": "test_distributed_page.py",
    "encoders.md": "test_documented_encoders.py",
    "evaluation.md": "test_readme.py",
    "from-faiss.md": "test_migration_pages.py",
    "from-scikit-learn.md": "test_migration_pages.py",
    "from-sentence-transformers.md": "test_migration_pages.py",
    "from-tensorflow-similarity.md": "test_migration_pages.py",
    "shards.md": "test_shard_page.py",
}

# How commands begin that no test of this file gives, with the reason.
NOT_GIVEN = {
    "pip install ": "it changes the environment; `.ci/run` gives it, and extras are looked up",
    "tensorboard ": "test_tensorboard.py gives it, and stops it",
    "embedding-atlas ": "it needs a hundred packages; test_exporters.py reads its file",
    "git clone https://github.com/erikbern/ann-benchmarks": "it fetches another project",
    "cp -r benchmarks/ann_benchmarks/latentknn ann-benchmarks/": "it needs a checkout of ann-benchmarks",
    "cd ann-benchmarks": "it needs a checkout of ann-benchmarks",
    "python run.py ": "it needs a checkout of ann-benchmarks",
    "python plot.py ": "it needs a checkout of ann-benchmarks",
    "latentknn cluster start ": "test_distributed_page.py gives it, and stops what it begins",
}


@dataclass(frozen=True)
class Block:
    """A block of code on a page, by the line on which it begins."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^(`{3,})([^\n`]*)\n(.*?)^\1$", text, re.DOTALL | re.MULTILINE)
    return [
        Block(page.name, text.count("\n", 0, each.start()) + 1, each[2].strip(), each[3]) for each in found
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
EXAMPLES = [block for block in BLOCKS if block.language == "python" and block.page not in TESTED_IN]
COMMANDS = [
    (block, line)
    for block in BLOCKS
    if block.language == ""
    for line in block.code.replace("\\\n", " ").splitlines()
    if line.strip()
]


def test_every_block_is_of_a_kind_that_is_run():
    directives = {"{code-cell} ipython3", "{toctree}", "mermaid"}
    kinds = {"python", "json", "", *directives}
    assert [str(block) for block in BLOCKS if block.language not in kinds] == []
    assert {block.page for block in EXAMPLES} >= {"files.md", "index.md", "install.md"}
    for page, file in TESTED_IN.items():
        assert f'"{page}"' in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_commands_that_are_not_given_stand_on_pages():
    lines = [line for _, line in COMMANDS]
    assert [start for start in NOT_GIVEN if not any(line.startswith(start) for line in lines)] == []


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_runs_as_printed(block, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", block.code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_front_page_says_what_its_example_prints():
    (block,) = (block for block in EXAMPLES if block.page == "index.md")
    printed = subprocess.check_output([sys.executable, "-c", block.code], text=True)
    assert f"prints `{printed.strip()}`" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_json_can_be_read(block):
    assert json.loads(block.code)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a folder with the files that commands of the pages name, of 300 digits."""
    folder = tmp_path_factory.mktemp("prepared")
    digits = lk.datasets.load("digits")
    small = lk.datasets.Dataset(
        "digits",
        digits.train_images[:200],
        digits.train_labels[:200],
        digits.test_images[:100],
        digits.test_labels[:100],
        digits.class_names,
    )
    np.save(folder / "images.npy", small.train_images)
    np.save(folder / "codes.npy", small.train_images.reshape(200, -1))
    np.save(folder / "labels.npy", small.train_labels)
    np.save(folder / "test_images.npy", small.test_images)
    np.save(folder / "test_codes.npy", small.test_images.reshape(100, -1))
    np.save(folder / "test_labels.npy", small.test_labels)
    for number, name in enumerate(("a", "b")):
        rows = {"codes": list(small.train_images[:20].reshape(20, -1).astype(np.float32))}
        rows |= {"label": small.train_labels[:20], "id": np.arange(20) + 20 * number}
        rows |= {"file": [name] * 20, "page": np.arange(20)}
        parquet.write_table(pa.table(rows), folder / f"{name}.parquet")
    lk.shards.write_files(folder / "embeddings", [folder / "a.parquet"], labels="label", ids="id")
    for name, columns in (("results", 64), ("other-results", 32)):
        evaluation = lk.evaluation.evaluate(
            small.train_images.reshape(200, -1)[:, :columns],
            small.train_labels,
            test=(small.test_images.reshape(100, -1)[:, :columns], small.test_labels),
        )
        (folder / name).mkdir()
        evaluation.save(folder / name / "results.json")
    model = lk.models.create("simple_ae", input_shape=small.image_shape, latent_dim=8, hidden_units=(16,))
    experiment = lk.evaluation.run_experiment(small, model, epochs=1, verbose=0)
    write_report(experiment, RunFolder(folder / "a-folder-of-latentknn-run"))
    for number, label in enumerate(small.train_labels[:60]):
        place = folder / "FOLDER" / str(label % 2) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(small.train_images[number]).save(place)
    return folder


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{each}-{line[:40]}" for each, line in COMMANDS])
def test_a_command_runs_as_printed(block, line, prepared, tmp_path, monkeypatch, capsys):
    """The command is executed in this process, which has imported TensorFlow already."""
    if not line.startswith(tuple(NOT_GIVEN)):
        program, *arguments = shlex.split(line)
        assert program == "latentknn", f"{block}: no test runs {program}"
        folder = tmp_path / "work"
        shutil.copytree(prepared, folder)
        if "--out" in arguments:
            shutil.rmtree(folder / arguments[arguments.index("--out") + 1], ignore_errors=True)
        monkeypatch.chdir(folder)
        status = main(arguments)
        printed = capsys.readouterr()
        assert status == 0, printed.out + printed.err


def test_extras_that_pages_name_are_there():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text(encoding="utf-8")
        named = {name for found in re.findall(r"latentknn\[([^\]]*)\]", text) for name in found.split(",")}
        named |= set(re.findall(r"\(the extra `(\w+)`\)", text))
        assert named <= extras, page.name


def test_notebooks_are_executed_by_the_build():
    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    assert 'nb_execution_mode = "force"' in conf
    assert "nb_execution_raise_on_error = True" in conf
    cells = [block for block in BLOCKS if block.language.startswith("{code-cell}")]
    assert "tutorial.md" in {block.page for block in cells}
    # IPython goes on after a command that fails, unless a page says otherwise.
    commands = {block.page for block in cells if re.search("^!", block.code, re.MULTILINE)}
    assert commands
    for page in commands:
        assert "get_ipython().system = checked" in (ROOT / "docs" / page).read_text(encoding="utf-8")
    for page in {block.page for block in cells}:
        assert (ROOT / "docs" / page).read_text(encoding="utf-8").startswith("---\njupytext:\n")
