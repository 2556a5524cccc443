"""The example of the page on shards, which is that of the README too."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import latentknn as lk

ROOT = Path(__file__).parents[1]


def test_the_example_runs_and_answers_as_one_index(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "shards.md").read_text(), flags=re.DOTALL
    )
    assert example in (ROOT / "README.md").read_text()
    names: dict[str, object] = {}
    exec(example, names)
    one = lk.CosineIndex.from_codes(names["codes"])
    similarities, ids = one.search(names["queries"], k=3)
    assert names["ids"].tobytes() == ids.tobytes()
    assert names["similarities"].tobytes() == similarities.tobytes()
    index = lk.shards.open("digits-index")
    assert len(list(Path("digits-index").glob("shard*"))) == 3
    assert np.array_equal(index.labels, lk.datasets.load("digits").train_labels)
