"""Scenarios A to G: exact search beside FAISS, scikit-learn, NumPy, TensorFlow and USearch.

For every line all engines search once a round, on fresh queries, in balanced orders. A measurement that was
killed goes on where it stopped; delete a file under results/ to measure its lines again.

    python -m benchmarks.speed.search                 # everything: hours; leave the machine alone meanwhile
    python -m benchmarks.speed.search --only A,D
    python -m benchmarks.speed.search --only B --data principal --ks 1,10
    python -m benchmarks.speed.search --scale 0.01 --rounds 2    # a quick look, kept apart in results/scaled/
"""

import argparse
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.command_line import parser
from benchmarks.harness.machine import machine, searching_code
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import Record, Results
from benchmarks.speed import names, peers, tables
from benchmarks.speed.case import Case, Line, Target
from benchmarks.speed.data import codes, synthetic
from benchmarks.speed.measure import PATIENCE_SECONDS, Settings, measure

_PACKAGES = ["latentknn", "numpy", "scikit-learn", "faiss-cpu", "tensorflow-cpu", "usearch"]


@dataclass(frozen=True)
class Scenario:
    title: str
    cases: list[Case]


def fashion_mnist() -> list[Case]:
    targets = {1: Target(7, 12), 10: Target(5, 10), 100: Target(3, 6)}
    unreduced = {1: Target(4, 6), 10: Target(3.5, 5), 100: None}  # without the principal components
    one_shot = Target(4, 7)  # at k = 1
    case = partial(Case, rows=60_000, queries=10_000, dim=codes.PIXELS)

    free_choice = tuple(
        Line(10_000, k, target=target, one_shot=True, one_shot_target=one_shot if k == 1 else None)
        for k, target in targets.items()
    )
    forced = tuple(Line(10_000, k, target=target) for k, target in unreduced.items())
    return [
        case("raw pixels", make=codes.pixels, lines=free_choice),
        case("raw pixels, rotated", make=codes.rotated_pixels, lines=free_choice),
        case("raw pixels", make=codes.pixels, lines=forced, strategy="int16"),
    ]


def trained_codes() -> list[Case]:
    few = {1: Target(20, 40), 10: Target(12, 25), 100: Target(4, 8), 1000: Target(2, 4)}
    more = {1: Target(5, 8), 10: Target(4, 6), 100: Target(2.5, 4), 1000: Target(2, 4)}
    makers = {f"codes of {model}": partial(codes.trained_codes, model) for model in codes.MODELS}
    makers["principal components"] = codes.principal_components
    return [
        Case(
            data,
            rows=60_000,
            queries=10_000,
            dim=dim,
            make=make,
            lines=tuple(
                Line(10_000, k, target=target, one_shot=True)
                for k, target in (few if dim == 10 else more).items()
            ),
        )
        for data, make in makers.items()
        for dim in codes.DIMS
    ]


def million_rows() -> list[Case]:
    return [
        Case(
            data,
            rows=1_000_000,
            queries=10_000,
            dim=128,
            make=make,
            lines=tuple(
                Line(queries, k, target=target if k == 10 else None)
                for queries in (1000, 10_000)
                for k in (10, 100)
            ),
        )
        for data, make, target in (
            ("clusters", synthetic.clusters, Target(4, 8)),
            ("noise", synthetic.noise, Target(2.5, 4)),
        )
    ]


def online() -> list[Case]:
    lines = (
        Line(1, 10, calls=32, target=Target(2, 3.5)),
        Line(4, 10, calls=16),
        Line(32, 10, calls=4, target=Target(3, 5)),
    )
    return [
        Case(data, rows=1_000_000, queries=1024, dim=dim, make=make, lines=lines)
        for dim in (128, 768)
        for data, make in (("clusters", synthetic.clusters), ("noise", synthetic.noise))
    ]


def leave_one_out() -> list[Case]:
    return [
        Case(
            data,
            rows=60_000,
            queries=0,
            dim=128,
            make=make,
            lines=(Line(60_000, 20, target=Target(4, 8)),),
            leave_one_out=True,
        )
        for data, make in (
            ("codes of conv_ae", partial(codes.trained_codes, "conv_ae")),
            ("principal components", codes.principal_components),
        )
    ]


def adversarial() -> list[Case]:
    rows = 20_000
    return [
        Case(
            data,
            rows=rows,
            queries=1000,
            dim=64,
            make=make,
            lines=tuple(Line(1000, k, target=Target(0.9, 1.5)) for k in (10, 100, rows // 2)),
            beside=(*names.PEERS, names.OWN_FP32),
        )
        for data, make in (
            ("all rows equal", synthetic.equal_rows),
            ("two tight clusters", synthetic.two_clusters),
            ("100 distinct rows", synthetic.duplicates),
            ("noise", synthetic.noise),
        )
    ] + [
        # Half of the rows of a larger database: NumPy's sort of all is the peer to watch.
        Case("noise", rows=60_000, queries=1000, dim=64, make=synthetic.noise, lines=(Line(1000, 30_000),))
    ]


def growth() -> list[Case]:
    return [
        Case(
            "clusters",
            rows=rows,
            queries=10_000,
            dim=64,
            make=synthetic.clusters,
            lines=(Line(1000, 10, calls=10 if rows <= 30_000 else 1),),
            beside=("FAISS",),
        )
        for rows in (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    ]


SCENARIOS = {
    "A": Scenario("Fashion-MNIST, raw pixels", fashion_mnist()),
    "B": Scenario("codes of trained models", trained_codes()),
    "C": Scenario("a million rows", million_rows()),
    "D": Scenario("few queries against a million rows", online()),
    "E": Scenario("leave-one-out", leave_one_out()),
    "F": Scenario("adversarial rows", adversarial()),
    "G": Scenario("time against the number of rows", growth()),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=_scenarios, default=list(SCENARIOS), help="such as A,B")
    options.add_argument("--data", default="", help="only cases whose data's name contains this")
    options.add_argument("--ks", type=_integers, help="only lines with these k, such as 1,10")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument(
        "--peers",
        type=_peers,
        default=names.PEERS,
        help="comma-separated; FAISS always comes with them",
    )
    options.add_argument("--scale", type=float, default=1.0, help="below 1: fewer rows and queries")
    options.add_argument(
        "--results", type=Path, help="folder of the JSON files; results/, or results/scaled/"
    )
    arguments = options.parse_args()
    if not 0 < arguments.scale <= 1:
        options.error(f"--scale must be above 0 and at most 1, received {arguments.scale}")

    peers.limit_threads(arguments.threads, arguments.peers)
    about: dict[str, Any] = {
        **machine(arguments.threads, _PACKAGES),
        "faiss_build": peers.faiss_build(),
        "blas": peers.blas_kernels(),
        "searching_code": searching_code(),
        "rounds": arguments.rounds,
        "peers": list(arguments.peers),
        "patience_seconds": PATIENCE_SECONDS,
        "scale": arguments.scale,
    }
    settings = Settings(arguments.rounds, arguments.threads, arguments.peers)
    folder = arguments.results or (RESULTS if arguments.scale == 1 else RESULTS / "scaled")
    for letter in arguments.only:
        scenario = SCENARIOS[letter]
        results = Results(letter, about | {"title": scenario.title}, folder)
        print(f"\n{tables.heading(letter, results.about)}\n\n{tables.speed_head(names.PEERS)}", flush=True)
        for case in scenario.cases:
            lines = tuple(line for line in case.lines if not arguments.ks or line.k in arguments.ks)
            if arguments.data not in case.data or not lines:
                continue
            chosen = replace(case, lines=lines)
            measure(
                chosen if arguments.scale == 1 else chosen.scaled(arguments.scale), settings, results, show
            )


def show(line: Record) -> None:
    print(tables.speed_row(line, names.PEERS), flush=True)


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _scenarios(text: str) -> list[str]:
    return _known(text, SCENARIOS)


def _peers(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(["FAISS", *_known(text, names.PEERS)]))


def _known(text: str, known: Collection[str]) -> list[str]:
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError(f"unknown {name!r}; choose of {', '.join(known)}")
    return chosen


if __name__ == "__main__":
    main()
