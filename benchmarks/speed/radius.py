"""Range searches: the time of FAISS's range_search and scikit-learn's radius_neighbors over ours, in turns.

    python -m benchmarks.speed.radius                      # hours where scikit-learn is one of the peers
    python -m benchmarks.speed.radius --only noise --dims 64 --queries 2000

60,000 codes, 10,000 queries, and similarities that some 10 and some 1,000 codes of a query reach. Each engine
searches on one thread, by processor time. All find the same codes, except where float32 cannot tell whether
a similarity is reached: that is checked before anything is timed. Prints a table and writes radius.json.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

import latentknn as lk
from benchmarks.harness.arrays import Codes
from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine
from benchmarks.harness.markdown import table
from benchmarks.harness.results import OURS, Record, write_json
from benchmarks.harness.timing import paired_times, ratios
from benchmarks.speed.data import codes as real
from benchmarks.speed.data import synthetic
from benchmarks.speed.peers import faiss, limit_threads

CODES, QUERIES, ROUNDS = 60_000, 10_000, 3
DIMS = (64, 128)
WANTED = (10, 1000)
KINDS: dict[str, Callable[[int, int, int], tuple[Codes, Codes]]] = {
    "principal components of Fashion-MNIST": real.principal_components,
    "clusters": synthetic.clusters,
    "noise": synthetic.noise,
}
ROUNDING = 1e-5
"""Codes whose similarities are nearer to the one asked for may be missed by float32, or found."""

Found = tuple[NDArray[np.int64], NDArray[Any]]
"""Where each query's codes end, and the codes."""


def similarity_for(index: lk.CosineIndex, queries: Codes, wanted: int) -> float:
    """Return a similarity that about so many codes of a query reach, on average."""
    low, high = -1.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if index.count_within(queries, middle).mean() > wanted:
            low = middle
        else:
            high = middle
    return high


class Peers:
    """The engines that search within a similarity, each as its own users would call it."""

    def __init__(self, codes: Codes) -> None:
        self.flat = faiss.IndexFlatIP(codes.shape[1])
        self.flat.add(codes)
        # Among codes of length 1 its Euclidean metric finds the same, faster than its cosine metric.
        self.neighbours = NearestNeighbors(algorithm="brute", metric="euclidean", n_jobs=1).fit(codes)

    def by_faiss(self, queries: Codes, similarity: float) -> Found:
        ends, _, positions = self.flat.range_search(queries, similarity)
        return ends.astype(np.int64), positions

    def by_scikit_learn(self, queries: Codes, similarity: float) -> Found:
        radius = math.sqrt(2 - 2 * similarity)
        _, positions = self.neighbours.radius_neighbors(queries, radius)
        return np.cumsum([0, *map(len, positions)]), np.concatenate(positions)


def check(codes: Codes, queries: Codes, similarity: float, ours: Found, name: str, found: Found) -> None:
    """Raise SystemExit where a peer's codes are others, not by rounding."""
    ends, positions = ours
    for query in range(len(queries)):
        mine = positions[ends[query] : ends[query + 1]]
        theirs = found[1][found[0][query] : found[0][query + 1]]
        differ = np.setxor1d(mine, theirs)
        if len(differ) == 0:
            continue
        scores = codes[differ].astype(np.float64) @ queries[query].astype(np.float64)
        if (np.abs(scores - similarity) > ROUNDING).any():
            raise SystemExit(f"{name} found other codes for query {query}")


def measure(kind: str, dim: int, wanted: int, given: argparse.Namespace) -> Record:
    """Return the seconds of every engine."""
    codes, queries = KINDS[kind](CODES, given.queries, dim)
    index = lk.CosineIndex.from_codes(codes, engine="cpu", threads=1)
    peers = Peers(codes)
    similarity = similarity_for(index, queries[:500], wanted)

    def ours(asked: Codes) -> Found:
        result = index.search_radius(asked, similarity)
        return result.indptr, result.positions

    searches: dict[str, Callable[[Codes], Any]] = {
        OURS: ours,
        f"{OURS}, counting": lambda asked: index.count_within(asked, similarity),
        "FAISS": lambda asked: peers.by_faiss(asked, similarity),
        "scikit-learn": lambda asked: peers.by_scikit_learn(asked, similarity),
    }
    if given.without_scikit_learn:
        del searches["scikit-learn"]
    few = queries[:200]
    own = ours(few)
    for name in searches.keys() - {OURS, f"{OURS}, counting"}:
        check(codes, few, similarity, own, name, searches[name](few))
    if not np.array_equal(index.count_within(few, similarity), np.diff(own[0])):
        raise SystemExit("counting gave other numbers than searching")
    times = paired_times(searches, lambda _: queries, given.rounds, clock=time.process_time)
    per_query = float(index.count_within(queries, similarity).mean())
    return {"codes": kind, "dim": dim, "similarity": similarity, "found": per_query, "seconds": times}


def results_table(lines: list[Record]) -> str:
    """Return the lines as a table of Markdown."""
    names = [name for name in lines[0]["seconds"] if name != OURS]
    cells = [
        [
            line["codes"],
            str(line["dim"]),
            f"{line['found']:.0f}",
            f"{min(line['seconds'][OURS]):.2f}",
            *(str(ratios(line["seconds"][name], line["seconds"][OURS])) for name in names),
        ]
        for line in lines
    ]
    heads = [f"{name} over it" for name in names]
    return table(["codes", "d", "found a query", f"seconds of {OURS}", *heads], cells)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", choices=list(KINDS), help="measure one kind of codes")
    options.add_argument("--dims", type=int, nargs="+", default=list(DIMS))
    options.add_argument("--queries", type=int, default=QUERIES)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--without-scikit-learn", action="store_true")
    given = options.parse_args()
    limit_threads(1, ())
    faiss.omp_set_num_threads(1)
    lines = []
    for kind in [given.only] if given.only else KINDS:
        for dim in given.dims:
            for wanted in WANTED:
                lines.append(measure(kind, dim, wanted, given))
                print(results_table(lines[-1:]).splitlines()[-1], flush=True)
    write_json("radius", {"machine": machine(1, ["latentknn", "faiss-cpu", "scikit-learn"]), "lines": lines})
    print(results_table(lines))


if __name__ == "__main__":
    main()
