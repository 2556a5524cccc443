"""Exact search beside all pairs in fewer bits: USearch, NumKong, PyTorch, TensorFlow, Intel's scikit-learn.

    pip install torch scikit-learn-intelex        # beside what the other benchmarks need
    python -m benchmarks.speed.reduced --results benchmarks/results/amx      # ten minutes

These have kernels for AMX and bfloat16 where the processor does. All but Intel's round codes to 8 bits or to
bfloat16, so they miss neighbours: the share of ours that they find stands beside their times. Every engine
searches once a round, in balanced orders, for the same queries; our answers to the first ones are the float64
reference's. Prints a table and writes reduced.json. Lines that the file has are not measured again.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.arrays import Codes, Ids
from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.markdown import row, table
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import OURS, Record, Results
from benchmarks.harness.timing import Spread, paired_times, ratios
from benchmarks.speed import peers
from benchmarks.speed.data import codes as real
from benchmarks.speed.data import synthetic
from benchmarks.speed.data.hostile import Maker
from benchmarks.speed.data.text_embeddings import DIM as TEXT_DIM
from benchmarks.speed.data.text_embeddings import text_embeddings
from benchmarks.speed.reduced_peers import QUERIES_AT_ONCE, REDUCED
from benchmarks.speed.truth import Truth

# There are 59,912 texts. NumKong gets whole blocks of queries, and USearch takes seconds for so many.
CODES, QUERIES = 50_000, 12 * QUERIES_AT_ONCE
KS = (1, 10, 100)
CASES: tuple[tuple[str, int, Maker], ...] = (
    ("noise", 64, synthetic.noise),
    ("noise", 128, synthetic.noise),
    ("raw pixels", real.PIXELS, real.pixels),
    ("text embeddings", TEXT_DIM, text_embeddings),
)
FAISS = "FAISS"
_COMPARED = 1000
"""Queries whose neighbours are compared with ours."""
_PACKAGES = ("latentknn", "numpy", "faiss-cpu", "usearch", "numkong", "torch", "tensorflow-cpu")


def share_found(found: Ids, ours: Ids) -> float:
    """Return the share of our neighbours that others have found, of the first queries."""
    found, ours = found[:_COMPARED], ours[:_COMPARED]
    return float((found[:, :, None] == ours[:, None, :]).any(axis=1).mean())


def measure(kind: str, dim: int, make: Maker, ks: list[int], results: Results) -> None:
    """Time all engines for each k that has no line yet."""
    missing = {k: key for k in ks if (key := f"{kind}, d={dim}, k={k}") not in results.lines}
    if not missing:
        return
    codes, queries = make(CODES, QUERIES, dim)
    threads = int(results.about["threads"])
    own = peers.Latentknn(codes, threads)
    engines: dict[str, Any] = {OURS: own, FAISS: peers.Faiss(codes, threads)}
    engines |= {name: build(codes, threads) for name, build in REDUCED.items()}
    truth = Truth(codes, queries, max(missing))
    for k, key in missing.items():
        exact = own.index.search(queries, k, scores64=True)
        truth.require_equal(exact, k, key)
        shares: dict[str, float] = {}

        def check(name: str, _: int, answer: Ids, shares: Record = shares, exact: Any = exact) -> None:
            shares[name] = share_found(answer, exact.ids)

        searches: dict[str, Callable[[Codes], Ids]] = {
            name: partial(_search, engine, k) for name, engine in engines.items()
        }
        seconds = paired_times(searches, lambda _: queries, results.about["rounds"], check)
        results.lines[key] = {"codes": kind, "dim": dim, "k": k, "seconds": seconds, "shares": shares}
        results.write()
        print(row(_cells(results.lines[key])), flush=True)


def _search(engine: Any, k: int, queries: Codes) -> Ids:
    found: Ids = engine.search(queries, k)
    return found


def results_table(lines: dict[str, Record]) -> str:
    """Return a table of Markdown with times over ours, and in brackets the shares of ours that were found."""
    return table(["codes", "d", "k", f"{OURS}, ms", FAISS, *REDUCED], map(_cells, lines.values()))


def _cells(line: Record) -> list[str]:
    seconds, shares = line["seconds"], line["shares"]
    return [
        line["codes"],
        str(line["dim"]),
        str(line["k"]),
        f"{Spread.of(seconds[OURS]).median * 1e3:.0f}",
        *(
            f"{ratios(seconds[name], seconds[OURS]).median:.1f} ({shares[name]:.3f})"
            for name in (FAISS, *REDUCED)
        ),
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--ks", default=",".join(map(str, KS)))
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--results", type=Path, default=RESULTS, help="folder of reduced.json")
    arguments = options.parse_args()
    peers.limit_threads(arguments.threads, ["TensorFlow"])
    about = machine(arguments.threads, [*_PACKAGES, "scikit-learn-intelex"])
    about |= {"searching_code": searching_code(), "rounds": arguments.rounds}
    results = Results("reduced", about, arguments.results)
    for case in CASES:
        measure(*case, [int(k) for k in arguments.ks.split(",")], results)
    print("\n" + results_table(results.lines))


if __name__ == "__main__":
    main()
