"""What an instruction set is worth: searches with two kinds of kernels of one machine, in turns.

python -m benchmarks.speed.instruction_sets --results benchmarks/results/zen4
python -m benchmarks.speed.instruction_sets --than avx2 --measured avx_vnni

Prints a table and writes instruction_sets.json. The answers of both are compared, byte for byte. Lines that
the file has are not measured again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import latentknn as lk
from benchmarks.harness.arrays import Codes
from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.markdown import table
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import Record, Results
from benchmarks.harness.timing import Spread, paired_times, ratios

CODES, QUERIES, CLUSTERS = 60_000, 4_000, 200
DIMS, KS = (64, 128, 384), (1, 10, 100)


def noise(rng: np.random.Generator, dim: int) -> Codes:
    return rng.standard_normal((CODES + QUERIES, dim), dtype=np.float32)


def clusters(rng: np.random.Generator, dim: int) -> Codes:
    centres = rng.standard_normal((CLUSTERS, dim), dtype=np.float32)
    return centres[rng.integers(CLUSTERS, size=CODES + QUERIES)] + noise(rng, dim)


KINDS: dict[str, Callable[[np.random.Generator, int], Codes]] = {"noise": noise, "clusters": clusters}


def built(isa: str, codes: Codes, strategy: str) -> lk.CosineIndex:
    """Build an index with the kernels of an instruction set, which it keeps."""
    before = os.environ.get("LATENTKNN_ISA")
    os.environ["LATENTKNN_ISA"] = isa
    try:
        return lk.CosineIndex.from_codes(codes, engine="cpu", strategy=strategy)
    finally:
        if before is None:
            del os.environ["LATENTKNN_ISA"]
        else:
            os.environ["LATENTKNN_ISA"] = before


def measure(kind: str, dim: int, results: Results) -> None:
    """Time searches among codes of a kind with both instruction sets, for each k that has no line yet."""
    missing = {k: key for k in KS if (key := f"{kind}, d={dim}, k={k}") not in results.lines}
    if not missing:
        return
    isas, about = results.about["isas"], results.about
    rows = KINDS[kind](np.random.default_rng(dim), dim)
    codes, queries = rows[:CODES], rows[CODES:]
    indexes = {isa: built(isa, codes, about["strategy"]) for isa in isas}
    for k, key in missing.items():
        answers: dict[int, bytes] = {}

        def check(
            isa: str, number: int, answer: lk.SearchResult, answers: dict[int, bytes] = answers
        ) -> None:
            found = answer.ids.tobytes() + answer.similarities.tobytes()
            if answers.setdefault(number, found) != found:
                raise SystemExit(f"{isa} gave another answer")

        searches = {
            isa: lambda given, k=k, index=index: index.search(given, k) for isa, index in indexes.items()
        }
        seconds = paired_times(searches, lambda _: queries, about["rounds"], check)
        plans = {isa: index.explain() for isa, index in indexes.items()}
        begins = {isa: f"{plan.arithmetic}, {plan.screened_dims}" for isa, plan in plans.items()}
        results.lines[key] = {"codes": kind, "dim": dim, "k": k, "begins": begins, "seconds": seconds}
        results.write()
        print(f"{key}: {ratios(*(seconds[isa] for isa in isas))}", flush=True)


def results_table(about: Record, lines: dict[str, Record]) -> str:
    """Return what was measured as a table of Markdown."""
    than, measured = about["isas"]
    cells = [
        [
            line["codes"],
            str(line["dim"]),
            str(line["k"]),
            *(line["begins"][isa] for isa in (than, measured)),
            *(f"{Spread.of(line['seconds'][isa]).median * 1e3:.0f}" for isa in (than, measured)),
            str(ratios(line["seconds"][than], line["seconds"][measured])),
        ]
        for line in lines.values()
    ]
    heads = [f"{than} begins in", f"{measured} begins in", f"{than}, ms", f"{measured}, ms"]
    return table(["codes", "d", "k", *heads, f"{measured} × {than}"], cells)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--than", default="avx512", help="instruction set to compare with")
    options.add_argument("--measured", default="avx512_vnni", help="instruction set that is measured")
    options.add_argument("--strategy", default="auto", choices=lk._core.strategy_names())
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--results", type=Path, default=RESULTS, help="folder of instruction_sets.json")
    arguments = options.parse_args()
    about: dict[str, Any] = machine(lk._core.usable_processors(), ["latentknn", "numpy"])
    about |= {"searching_code": searching_code(), "rounds": arguments.rounds, "strategy": arguments.strategy}
    about |= {"isas": [arguments.than, arguments.measured]}
    results = Results("instruction_sets", about, arguments.results)
    for kind in KINDS:
        for dim in DIMS:
            measure(kind, dim, results)
    print("\n" + results_table(results.about, results.lines))


if __name__ == "__main__":
    main()
