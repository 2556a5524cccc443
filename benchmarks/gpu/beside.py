"""Times two builds of the CUDA engine on the headline case, turn by turn, each in a process of its own.

    PYTHONPATH=NEW python -m benchmarks.gpu.beside --results FOLDER --beside OLD

NEW and OLD are folders of packages. The answers of both must have the same bytes.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import latentknn as lk
from benchmarks.gpu.command_line import parser
from benchmarks.gpu.data import Data
from benchmarks.gpu.results import open_results
from benchmarks.gpu.tables import BESIDE, described
from benchmarks.harness.paths import ROOT
from benchmarks.harness.results import OURS
from benchmarks.harness.timing import ratios

ROUNDS = 11
"""The first of them warms up."""
K = 10


class Build:
    """A process that searches with the package of a folder."""

    def __init__(self, package: Path, scale: float) -> None:
        command = [sys.executable, "-m", "benchmarks.gpu.beside"]
        command += ["--results", ".", "--scale", str(scale), "--answer"]
        path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def search(self, number: int) -> dict[str, Any]:
        """Return the seconds that the search of a round took, and a digest of the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(number, file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def answer_rounds(data: Data) -> None:
    """Search whenever a number comes in, until no more come."""
    rows, queries = data.make()
    index = lk.CosineIndex.from_codes(rows, engine=lk.CudaEngine([0]))
    for line in sys.stdin:
        asked = queries[np.random.default_rng(int(line)).permutation(len(queries))]
        began = time.perf_counter()
        found = index.search(asked, K)
        seconds = time.perf_counter() - began
        digest = hashlib.sha256(found.ids.tobytes() + found.similarities.tobytes()).hexdigest()
        print(json.dumps({"seconds": seconds, "digest": digest}), flush=True)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--beside", type=Path, metavar="FOLDER")
    options.add_argument("--answer", action="store_true", help="be one of the two processes")
    arguments = options.parse_args()
    data = Data().scaled(arguments.scale)
    if arguments.answer:
        answer_rounds(data)
        return
    packages = {OURS: Path(lk.__file__).parents[1], BESIDE: arguments.beside.resolve()}
    builds = {name: Build(package, arguments.scale) for name, package in packages.items()}
    times: dict[str, list[float]] = {name: [] for name in builds}
    for number in range(ROUNDS):
        found = {name: builds[name].search(number) for name in sorted(builds, reverse=number % 2 == 1)}
        if found[OURS]["digest"] != found[BESIDE]["digest"]:
            raise SystemExit("the two builds give DIFFERENT answers")
        if number > 0:
            for name in builds:
                times[name].append(found[name]["seconds"])
    for name, each in times.items():
        print(f"{name}: {described(each, data.operations)}; {packages[name]}")
    print(f"{BESIDE} × {ratios(times[BESIDE], times[OURS])}")
    results = open_results(arguments.results, arguments.scale)
    results.lines[BESIDE] = {"data": str(data), "operations": data.operations, "seconds": times}
    results.write()


if __name__ == "__main__":
    main()
