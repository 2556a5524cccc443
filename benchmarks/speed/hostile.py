"""Data nobody chose: latentknn beside its own fixed strategies and FAISS at its best, the worst line first.

    python -m benchmarks.speed.hostile                        # all kinds, three rounds: about an hour
    python -m benchmarks.speed.hostile --kinds cone,hubs --ks 1,1000
    python -m benchmarks.speed.hostile --rows 1000000 --queries 32 --kinds "noise,clusters of 300"
    python -m benchmarks.speed.hostile --show                 # prints the tables of what was measured

Every engine searches once a round, in balanced orders, on the same queries. All strategies of latentknn must
give the same bytes, and the first answers are the float64 reference's. A measurement that was killed goes on
where it stopped. Kinds whose data must be made first (see data/text_embeddings.py) are left out where they
are not there, and the output says so.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import markdown
from benchmarks.harness.arrays import Codes
from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import Results
from benchmarks.harness.timing import paired_times
from benchmarks.speed import peers
from benchmarks.speed.data import codes, hostile
from benchmarks.speed.data.hostile import Maker
from benchmarks.speed.data.text_embeddings import DIM as TEXT_DIM
from benchmarks.speed.data.text_embeddings import text_embeddings
from benchmarks.speed.data.zoo_codes import zoo_codes
from benchmarks.speed.hostile_tables import AUTO, COLUMNS, FAISS, FIXED, cells, summary
from benchmarks.speed.truth import Truth

KS = (1, 10, 100, 1000)
REAL: dict[str, tuple[int, Maker]] = {
    "raw pixels": (codes.PIXELS, codes.pixels),
    "principal components": (64, codes.principal_components),
    "codes of conv_ae": (128, partial(codes.trained_codes, "conv_ae")),
    "codes of triplet": (128, partial(zoo_codes, "triplet, seed 0")),
    "codes of metric": (64, partial(zoo_codes, "metric, deeper, seed 0")),
    "text embeddings": (TEXT_DIM, text_embeddings),
}
KINDS = hostile.KINDS | REAL
# There are about 60,000 descriptions, of which at most so many are rows.
_TEXTS = 50_000


def measure(kind: str, rows: int, queries: int, ks: list[int], rounds: int, results: Results) -> None:
    """Measure the lines of a kind that are missing."""
    dim, make = KINDS[kind]
    if kind == "text embeddings":
        rows = min(rows, _TEXTS)
    key = f"{kind}, n={rows}, d={dim}, {queries} queries"
    missing = [k for k in ks if k <= rows // 2 and f"{key}, k={k}" not in results.lines]
    if not missing:
        return
    database, asked = make(rows, queries, dim)
    threads = int(results.about["threads"])
    own = {name: peers.Latentknn(database, threads, name) for name in (AUTO, *FIXED)}
    engines = own | {FAISS: peers.Faiss(database, threads)}
    truth = Truth(database, asked, max(missing))
    for k in missing:
        where = f"{key}, k={k}"
        expected = own[AUTO].index.search(asked, k, scores64=True)
        truth.require_equal(expected, k, where)

        def check(name: str, _: int, answer: Any, where: str = where, expected: Any = expected) -> None:
            if name == FAISS:
                return
            same = (getattr(answer, part).tobytes() == getattr(expected, part).tobytes() for part in _PARTS)
            if not all(same):
                raise SystemExit(f"strategy {name} gave another answer at {where}")

        seconds = paired_times(
            {
                name: partial(_answer, engine.index if name in own else engine, k)
                for name, engine in engines.items()
            },
            lambda _: asked,
            rounds,
            check,
        )
        explained = own[AUTO].index.explain()
        results.lines[where] = {
            "kind": kind,
            "rows": rows,
            "dim": dim,
            "queries": queries,
            "k": k,
            "screen": f"{explained.arithmetic}, {explained.screened_dims}",
            "seconds": seconds,
        }
        results.write()
        print(markdown.row(cells(results.lines[where])), flush=True)


_PARTS = ("ids", "similarities")


def _answer(engine: Any, k: int, queries: Codes) -> Any:
    return engine.search(queries, k)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--kinds", help="comma-separated parts of names; all by default")
    options.add_argument("--ks", default=",".join(map(str, KS)))
    options.add_argument("--rows", type=int, default=60_000)
    options.add_argument("--queries", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--results", type=Path, default=RESULTS, help="folder of hostile.json")
    options.add_argument("--show", action="store_true", help="print what was measured, and measure nothing")
    arguments = options.parse_args()
    if arguments.show:
        kept = json.loads((arguments.results / "hostile.json").read_text())
        print(f"{kept['about']['processor']}, {kept['about']['threads']} threads\n")
        print(summary(list(kept["lines"].values())))
        return

    peers.limit_threads(arguments.threads, [FAISS])
    about = {
        **machine(arguments.threads, ["latentknn", "numpy", "faiss-cpu"]),
        "blas": peers.blas_kernels(),
        "searching_code": searching_code(),
        "rounds": arguments.rounds,
    }
    results = Results("hostile", about, arguments.results)
    chosen = [
        kind
        for kind in KINDS
        if arguments.kinds is None or any(part in kind for part in arguments.kinds.split(","))
    ]
    print(markdown.head(COLUMNS))
    for kind in chosen:
        ks = [int(k) for k in arguments.ks.split(",")]
        try:
            measure(kind, arguments.rows, arguments.queries, ks, arguments.rounds, results)
        except FileNotFoundError as missing:
            print(f"left out: {kind}, as its data are not there ({missing})", flush=True)
    print("\n" + summary(list(results.lines.values())))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
