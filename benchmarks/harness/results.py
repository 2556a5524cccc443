"""The files that programmes write: results in JSON, and what is trained once on a machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.paths import RESULTS
from latentknn import datasets
from latentknn.atomic_file import atomic_file

Record = dict[str, Any]
"""A JSON object, of one line of a table mostly."""

OURS = "latentknn"
"""The engine that is measured, where the times of several stand side by side."""

CACHE = datasets.cache_folder("fashion_mnist").parents[1] / "benchmarks"


def read_json(path: Path) -> Record:
    """Return the content of a file; nothing if there is no such file."""
    content: Record = json.loads(path.read_text()) if path.is_file() else {}
    return content


def write_json(name: str, content: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write a programme's results, whole or not at all."""
    path = folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
    return path


class Results:
    """A programme's records, written after each, so that one that was killed goes on where it stopped.

    Raises SystemExit where the records are of another machine, build or setting (anything in `about` but the
    date): hours of work are not written over unasked.
    """

    def __init__(self, name: str, about: Mapping[str, Any], folder: Path) -> None:
        self._name, self._folder = name, folder
        self.about = dict(about)
        self.cases: dict[str, Record] = {}
        self.lines: dict[str, Record] = {}
        path = folder / f"{name}.json"
        if path.is_file():
            earlier = json.loads(path.read_text())
            if earlier["about"] | {"date": about["date"]} != about:
                raise SystemExit(
                    f"{path} is of another machine, build or setting: delete it to measure anew, or name "
                    "another folder by --results"
                )
            self.about, self.cases, self.lines = earlier["about"], earlier["cases"], earlier["lines"]

    def write(self) -> None:
        write_json(self._name, {"about": self.about, "cases": self.cases, "lines": self.lines}, self._folder)
