"""TensorBoard opens what is exported for it, by the commands of docs/evaluation.md."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from latentknn.cli import main
from new_interpreter import HANG

PAGE = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
CODES = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)

EXPORT, SERVE = (
    re.search(rf"^{begin}.*$", PAGE, re.MULTILINE)[0]
    for begin in ("latentknn evaluate .*--export tensorboard", "tensorboard ")
)

# What the command `tensorboard` is.
PROGRAM = "import sys; from tensorboard.main import run_main; sys.exit(run_main())"


@pytest.fixture
def address(tmp_path, monkeypatch):
    """Export codes, begin to serve them at a free port, and return where."""
    monkeypatch.chdir(tmp_path)
    np.save("codes.npy", CODES)
    np.save("labels.npy", np.arange(60) % 3)
    assert main(shlex.split(EXPORT)[1:]) == 0
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *shlex.split(SERVE)[1:], "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        finally:
            process.kill()


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is installed by itself")
def test_tensorboard_shows_the_codes_and_what_is_known_of_them(address):
    def fetched(what):
        with urlopen(f"{address}data/plugin/projector/{what}", timeout=HANG) as answer:
            return answer.read()

    (embedding,) = json.loads(fetched("info?run=."))["embeddings"]
    assert embedding["tensorShape"] == [60, 5]
    assert fetched(f"tensor?run=.&name={embedding['tensorName']}") == CODES.tobytes()
    metadata = fetched(f"metadata?run=.&name={embedding['tensorName']}").decode().splitlines()
    assert metadata[0].split("\t")[:5] == ["position", "part", "label", "predicted", "right"]
    assert [line.split("\t")[2] for line in metadata[1:]] == [str(number % 3) for number in range(60)]
