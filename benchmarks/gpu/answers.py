"""Asks the CUDA engine for its devices and an answer; fails where it was built from other sources than these.

PYTHONPATH names the package, as build.sh makes it. tests/cuda_small.py finds out if answers are right.
"""

import sys
from pathlib import Path

import numpy as np

import latentknn as lk
from benchmarks.gpu import sources
from latentknn.cli import main as latentknn

if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, {lk.__file__}", flush=True)
    package = Path(lk.__file__).parents[1]
    built_from = package / "sources"
    if not built_from.is_file() or built_from.read_text().strip() != sources.digest():
        raise SystemExit(f"{package} was built from other sources than there are now: build it anew")
    latentknn(["engines"])
    codes = np.random.default_rng(0).standard_normal((3000, 24), np.float32)
    lk.CosineIndex.from_codes(codes, engine="cuda").search(codes[:50], 5)
