"""What shards cost: the processor's time of 4 x 125,000 codes over that of one index of the same, in turns.

python -m benchmarks.speed.shards

Prints the table of docs/shards.md and writes shards.json. The answers of both are compared, byte for byte.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latentknn as lk
from benchmarks.harness.machine import machine
from benchmarks.harness.markdown import table
from benchmarks.harness.results import write_json
from benchmarks.harness.timing import paired_times, ratios

CODES, DIM, SHARDS, QUERIES, ROUNDS = 500_000, 128, 4, 2_000, 5
KS = (1, 10, 100)

Codes = NDArray[np.float32]


def noise(rng: np.random.Generator) -> Codes:
    return rng.standard_normal((CODES + QUERIES, DIM), dtype=np.float32)


def clusters(rng: np.random.Generator) -> Codes:
    return _around(rng, rng.integers(1000, size=CODES + QUERIES))


def clusters_in_order(rng: np.random.Generator) -> Codes:
    """Return codes of which each shard holds other clusters, with queries of all."""
    cluster = rng.integers(1000, size=CODES + QUERIES)
    cluster[:CODES].sort()
    return _around(rng, cluster)


def _around(rng: np.random.Generator, cluster: NDArray[np.integer[Any]]) -> Codes:
    centres = rng.standard_normal((1000, DIM), dtype=np.float32)
    return centres[cluster] + np.float32(0.5) * rng.standard_normal((len(cluster), DIM), dtype=np.float32)


KINDS = {"noise": noise, "clusters": clusters, "clusters, a shard for each quarter": clusters_in_order}


def same_bytes(round_answers: dict[int, bytes], round_number: int, answer: lk.SearchResult) -> None:
    found = answer.ids.tobytes() + answer.similarities.tobytes()
    if round_answers.setdefault(round_number, found) != found:
        raise SystemExit("the shards gave another answer than one index")


def measure(name: str) -> list[dict[str, Any]]:
    rows = KINDS[name](np.random.default_rng(0))
    codes, queries = rows[:CODES], rows[CODES:]
    one = lk.CosineIndex.from_codes(codes, engine="cpu")
    parts = [lk.CosineIndex.from_codes(part, engine="cpu") for part in np.split(codes, SHARDS)]
    many = lk.shards.ShardedIndex(parts)
    lines = []
    for k in KS:
        answers: dict[int, bytes] = {}

        def check(_: str, number: int, answer: lk.SearchResult, answers: dict[int, bytes] = answers) -> None:
            same_bytes(answers, number, answer)

        searches = {
            "one index": lambda given, k=k: one.search(given, k),
            "shards": lambda given, k=k: many.search(given, k),
        }
        times = paired_times(searches, lambda _: queries, ROUNDS, check, time.process_time)
        lines.append({"codes": name, "k": k, "seconds": times})
        print(f"{name}, k = {k}: {ratios(times['shards'], times['one index'])}", flush=True)
    return lines


def main() -> None:
    lines = [line for name in KINDS for line in measure(name)]
    about = machine(lk._core.usable_processors(), ["latentknn", "numpy"])
    write_json("shards", {"machine": about, "lines": lines})
    print(results_table(lines))


def results_table(lines: list[dict[str, Any]]) -> str:
    """Return the lines as a table of Markdown."""
    cells = []
    for line in lines:
        times = line["seconds"]
        cells.append([line["codes"], str(line["k"]), str(ratios(times["shards"], times["one index"]))])
    return table(["codes", "k", "time of 4 shards over one index's"], cells)


if __name__ == "__main__":
    main()
