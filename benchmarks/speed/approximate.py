"""Where approximate search starts to pay: FAISS's HNSW and IVF through the engine, beside exact search.

    python -m benchmarks.speed.approximate      # some minutes; tables.py writes the table

10,000 test images of Fashion-MNIST among 60,000, as codes of conv_ae; k = 10. All engines search once a
round, each round another permutation of the queries. The recall is measured against the exact neighbours,
a sample of which is compared with the float64 reference.
"""

import time
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness.arrays import Codes
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.results import write_json
from benchmarks.harness.timing import paired_times
from benchmarks.speed.data.codes import trained_codes
from benchmarks.speed.truth import Truth
from latentknn import CosineIndex, FaissEngine

DIMS = (32, 128)
NEIGHBOURS = 10
ROUNDS = 3
THREADS = 2

ENGINES: dict[str, str | FaissEngine] = {
    "exact": "cpu",
    "FAISS, Flat": "faiss",
    **{f"HNSW32, efSearch {ef}": FaissEngine("HNSW32", {"efSearch": ef}) for ef in (16, 64, 256)},
    **{f"IVF1024,Flat, nprobe {n}": FaissEngine("IVF1024,Flat", {"nprobe": n}) for n in (4, 16, 64)},
    "IVF1024,PQ16, nprobe 16": FaissEngine("IVF1024,PQ16", {"nprobe": 16}),
    "IVF1024,PQ16, nprobe 16, rescored": FaissEngine("IVF1024,PQ16", {"nprobe": 16}, rescore=8),
}


def measure(dim: int) -> list[dict[str, Any]]:
    """Build every index once, and time all searches in pairs."""
    rows, queries = trained_codes("conv_ae", 60_000, 10_000, dim)
    indexes, builds = {}, {}
    for name, engine in ENGINES.items():
        began = time.perf_counter()
        indexes[name] = CosineIndex.from_codes(rows, engine=engine, threads=THREADS)
        builds[name] = time.perf_counter() - began
    exact = indexes["exact"].search(queries, NEIGHBOURS, scores64=True)
    Truth(rows, queries, NEIGHBOURS).require_equal(exact, NEIGHBOURS, f"d = {dim}")
    seconds = paired_times(
        {name: partial(_search, index) for name, index in indexes.items()},
        lambda round_number: queries[np.random.default_rng(round_number).permutation(len(queries))],
        ROUNDS,
    )
    return [
        {
            "dim": dim,
            "engine": name,
            "build_seconds": builds[name],
            "seconds": seconds[name],
            "recall": index.recall(queries, NEIGHBOURS),
        }
        for name, index in indexes.items()
    ]


def _search(index: CosineIndex, queries: Codes) -> Any:
    return index.search(queries, NEIGHBOURS)


def main() -> None:
    about = machine(THREADS, ["latentknn", "faiss-cpu", "numpy"])
    about |= {"searching_code": searching_code()}
    lines = []
    for dim in DIMS:
        lines += measure(dim)
        write_json("approximate", {"about": about | {"rounds": ROUNDS}, "lines": lines})
        for line in lines[-len(ENGINES) :]:
            print(f"{dim} {line['engine']}: recall {line['recall']:.4f}, {min(line['seconds']):.3f} s")


if __name__ == "__main__":
    main()
