"""The page on clusters, and the examples in docstrings of `latentknn.distributed`: they run as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import latentknn as lk
from new_interpreter import run_python, run_script
from ray_cluster import write_folder

PAGE = Path(__file__).parents[1] / "docs" / "distributed.md"
CODES = np.random.default_rng(8).standard_normal((40, 5)).astype(np.float32)
LABELS = np.arange(40) % 3


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write what the page names, and return its folder."""
    np.save(tmp_path / "codes.npy", CODES)
    np.save(tmp_path / "labels.npy", LABELS)
    for folder, column in (("images", "pixels"), ("queries", "codes")):
        (tmp_path / folder).mkdir()
        parquet.write_table(pa.table({column: list(CODES)}), tmp_path / folder / "part.parquet")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def blocks(language):
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [code for each, code in found if each == language]


def test_the_page_runs_as_printed(files):
    def given(command):
        program, *arguments = shlex.split(command)
        assert program == "latentknn"
        status, output, errors = run_python("-m", "latentknn", *arguments, folder=files)
        assert status == 0, output + errors

    (commands,) = blocks("")
    _, write, start = commands.splitlines()
    given(write)
    given(start)
    try:
        prepared = 'import numpy as np\nqueries = np.load("codes.npy")\nmodel = lambda pixels: 2 * pixels\n'
        shown = '\nnp.savez("shown.npz", similarities=similarities, ids=ids)\n'
        status, output, errors = run_python(
            "-c", prepared + "\n".join(blocks("python")) + shown, folder=files
        )
        assert status == 0, output + errors
    finally:
        given("latentknn cluster stop")
    wanted = lk.cosine_search(CODES, CODES, k=10)
    with np.load(files / "shown.npz") as found:
        assert found["ids"].tobytes() == wanted.ids.tobytes()
        assert found["similarities"].tobytes() == wanted.similarities.tobytes()
    (codes,) = (files / "codes").glob("*.parquet")
    assert np.array_equal(parquet.read_table(codes)["codes"].to_pylist(), 2 * CODES)
    (out,) = (files / "out").glob("*.parquet")
    classifier = lk.CosineKNNClassifier(5).fit(CODES, LABELS)
    assert parquet.read_table(out)["label"].to_pylist() == classifier.predict(CODES).tolist()
    (pairs,) = (files / "pairs").glob("*.parquet")
    nearest = lk.CosineIndex.from_codes(CODES).search_self(k=10)
    assert parquet.read_table(pairs)["neighbours"].to_pylist() == nearest.ids.tolist()


def test_examples_in_docstrings_run_as_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_folder(tmp_path / "db", CODES, [20])
    # Examples that begin a cluster of this process alone share that of the index here.
    script = """
        import doctest, sys
        import latentknn as lk
        from test_examples import CLUSTER_MODULES
        with lk.distributed.start(sys.argv[1]):
            results = [doctest.testmod(module) for module in CLUSTER_MODULES]
        print(sum(result.failed for result in results), sum(result.attempted for result in results))
    """
    last = run_script(script, str(tmp_path / "db")).splitlines()
    failed, attempted = map(int, last[-1].split())
    assert failed == 0, "\n".join(last)
    assert attempted > 50
