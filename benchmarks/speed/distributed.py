"""What a cluster costs: searches of 8 shards by a worker of Ray beside the same in this process, in turns.

python -m benchmarks.speed.distributed

Prints the tables of docs/distributed.md and writes distributed.json. The answers of both are compared, byte
for byte. The merge is that of 1,000 queries for 100 neighbours of 32 shards.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

import latentknn as lk
from benchmarks.harness.machine import machine
from benchmarks.harness.markdown import table
from benchmarks.harness.results import write_json
from latentknn.shards.asking import ALL, Asking

CODES, DIM, SHARDS, ROUNDS = 80_000, 64, 8, 40
BATCHES = (1, 32, 1000)
MERGED_SHARDS, MERGED_QUERIES, MERGED_K = 32, 1000, 100


def medians(searches: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each search, in turns: least, median and most."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(rounds):
        for name, search in searches.items():
            begin = time.perf_counter()
            search()
            times[name].append(1e3 * (time.perf_counter() - begin))
    return {
        name: {"least": min(each), "median": float(np.median(each)), "most": max(each)}
        for name, each in times.items()
    }


def overheads(folder: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    with lk.shards.Writer(folder, DIM, rows_per_shard=CODES // SHARDS) as writer:
        writer.add(rng.standard_normal((CODES, DIM), dtype=np.float32))
    here = lk.shards.open(folder)
    rows = []
    with lk.distributed.start(folder) as there:
        for count in BATCHES:
            queries = rng.standard_normal((count, DIM), dtype=np.float32)
            found, wanted = (index.search(queries, 10, scores64=True) for index in (there, here))
            if any(
                getattr(found, name).tobytes() != getattr(wanted, name).tobytes()
                for name in ("ids", "positions", "similarities", "scores64")
            ):
                raise SystemExit("the cluster gave another answer than the shards in this process")
            searches = {
                "this process": lambda queries=queries: here.search(queries, 10),
                "cluster": lambda queries=queries: there.search(queries, 10),
                "empty call": there.status,
            }
            rows.append({"queries": count, **medians(searches, ROUNDS)})
    return rows


def merging() -> dict[str, float]:
    rng = np.random.default_rng(1)
    shape = (MERGED_QUERIES, MERGED_K)
    answers = []
    for shard in range(MERGED_SHARDS):
        scores = -np.sort(-rng.random(shape), axis=1)
        ids = rng.permuted(np.arange(shard * MERGED_K, (shard + 1) * MERGED_K))
        positions = np.broadcast_to(ids, shape).copy()
        answers.append(lk.SearchResult(scores.astype(np.float32), positions, positions, scores))

    def merge() -> None:
        asking = Asking(MERGED_QUERIES, lambda: np.empty((0, 1), np.float32), MERGED_K)
        for answer in answers:
            asking.add(ALL, answer)

    return medians({"merge": merge}, ROUNDS)["merge"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = overheads(folder)
    merged = merging()
    shown = [
        [
            f"{row['queries']:,}",
            *(f"{row[name]['median']:.2f}" for name in ("this process", "cluster", "empty call")),
            f"{row['cluster']['median'] - row['this process']['median']:.2f}",
        ]
        for row in rows
    ]
    print(table(["queries", "this process, ms", "cluster, ms", "empty call, ms", "overhead, ms"], shown))
    print(f"\nmerge: {merged['median']:.1f} ms ({merged['least']:.1f}–{merged['most']:.1f})")
    write_json("distributed", {"machine": machine(0, ["numpy", "ray"]), "overheads": rows, "merge": merged})


if __name__ == "__main__":
    main()
