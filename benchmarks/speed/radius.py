"""Range searches: the time of FAISS's range_search and scikit-learn's radius_neighbors over ours, in turns.

    python -m benchmarks.speed.radius --results benchmarks/results/zen4      # ten minutes
    python -m benchmarks.speed.radius --only noise --dims 64 --queries 2000 --results build

60,000 codes, 10,000 queries, and similarities that some 10 and some 1,000 codes of a query reach. Each engine
searches on one thread, by processor time; scikit-learn, which takes long, for the first 1,000 queries alone.
FAISS and scikit-learn sort nothing: beside our sorted answers stand those in order of the positions. All find
the same codes, except where float32 cannot tell whether a similarity is reached: that is checked before
anything is timed. Writes radius.json after each line, and at the end the table of benchmarks/README.md, if
the results are those that it shows.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

import latentknn as lk
from benchmarks.harness.arrays import Codes
from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.markdown import replace_generated_part, table
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.results import OURS, Record, write_json
from benchmarks.harness.timing import Spread, paired_times, ratios
from benchmarks.speed.data import codes as real
from benchmarks.speed.data import synthetic
from benchmarks.speed.peers import faiss, limit_threads

README = ROOT / "benchmarks" / "README.md"
WRITER = "speed/radius.py"
SHOWN = RESULTS / "zen4"

CODES, QUERIES, ROUNDS = 60_000, 10_000, 3
FEW = 1000
"""Queries that scikit-learn is asked."""
DIMS = (64, 128)
WANTED = (10, 1000)
KINDS: dict[str, Callable[[int, int, int], tuple[Codes, Codes]]] = {
    "principal components of Fashion-MNIST": real.principal_components,
    "clusters": synthetic.clusters,
    "noise": synthetic.noise,
}
ROUNDING = 1e-5
"""Codes whose similarities are nearer to the one asked for may be missed by float32, or found."""

UNSORTED, COUNTING = f"{OURS}, not sorted", f"{OURS}, counting"
FAISS, SCIKIT_LEARN = "FAISS", "scikit-learn"

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

    def ours(asked: Codes, sort: bool) -> Found:
        result = index.search_radius(asked, similarity, sort=sort)
        return result.indptr, result.positions

    few = queries[:200]
    own = ours(few, True)
    for name, search in ((FAISS, peers.by_faiss), (SCIKIT_LEARN, peers.by_scikit_learn)):
        check(codes, few, similarity, own, name, search(few, similarity))
    if not np.array_equal(index.count_within(few, similarity), np.diff(own[0])):
        raise SystemExit("counting gave other numbers than searching")
    searches: dict[str, Callable[[Codes], Any]] = {
        OURS: lambda asked: ours(asked, True),
        UNSORTED: lambda asked: ours(asked, False),
        COUNTING: lambda asked: index.count_within(asked, similarity),
        FAISS: lambda asked: peers.by_faiss(asked, similarity),
    }
    seconds = paired_times(searches, lambda _: queries, given.rounds, clock=time.process_time)
    beside = {OURS: searches[OURS], SCIKIT_LEARN: lambda asked: peers.by_scikit_learn(asked, similarity)}
    of_few = paired_times(beside, lambda _: queries[:FEW], 1, clock=time.process_time)
    return {
        "codes": kind,
        "dim": dim,
        "similarity": similarity,
        "found": float(index.count_within(queries, similarity).mean()),
        "seconds": seconds,
        "seconds of few": of_few,
    }


def results_table(content: Record) -> str:
    """Return what a file of results has, as a table of Markdown with a line about the machine."""
    about = content["about"]
    columns = ["codes", "d", "found a query", "s", "not sorted, s", "counting, s"]
    columns += ["FAISS over it", "FAISS over not sorted", "scikit-learn over it"]
    cells = []
    for line in content["lines"]:
        seconds, few = line["seconds"], line["seconds of few"]
        cells.append(
            [
                line["codes"],
                str(line["dim"]),
                f"{line['found']:.0f}",
                *(f"{Spread.of(seconds[name]).median:.2f}" for name in (OURS, UNSORTED, COUNTING)),
                str(ratios(seconds[FAISS], seconds[OURS])),
                str(ratios(seconds[FAISS], seconds[UNSORTED])),
                f"{ratios(few[SCIKIT_LEARN], few[OURS]).median:.1f}",
            ]
        )
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    machine_line = (
        f"{about['processor']}, {', '.join(about['instruction sets'])}, one thread, "
        f"{about['rounds']} rounds, {about['date']}; {packages}; searching code {about['searching code']}."
    )
    return f"{machine_line}\n\n{table(columns, cells)}\n"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", choices=list(KINDS), help="measure one kind of codes")
    options.add_argument("--dims", type=int, nargs="+", default=list(DIMS))
    options.add_argument("--queries", type=int, default=QUERIES)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--results", type=Path, default=SHOWN, help="folder of radius.json")
    given = options.parse_args()
    limit_threads(1, ())
    faiss.omp_set_num_threads(1)
    about = machine(1, ["latentknn", "faiss-cpu", "scikit-learn"])
    content: Record = {
        "about": about | {"rounds": given.rounds, "searching code": searching_code()},
        "lines": [],
    }
    for kind in [given.only] if given.only else KINDS:
        for dim in given.dims:
            for wanted in WANTED:
                content["lines"].append(measure(kind, dim, wanted, given))
                write_json("radius", content, given.results)
                print(results_table(content | {"lines": content["lines"][-1:]}).splitlines()[-1], flush=True)
    print(results_table(content))
    if given.results.resolve() == SHOWN:
        replace_generated_part(README, WRITER, results_table(content))


if __name__ == "__main__":
    main()
