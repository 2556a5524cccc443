"""Batched search of Fashion-MNIST codes: latentknn beside FAISS, scikit-learn, NumPy and TensorFlow.

For every (d, k) all engines run once a round, on a fresh permutation of the queries, in rotating order;
figures are medians over the rounds with the smallest and largest. Two ratios are taken: with every index
ready, and one-shot (building included). latentknn's answers to a sample of the queries must equal the
float64 reference to the byte; the share of the reference's neighbours that a peer finds is reported.

    python benchmarks/search.py                 # everything: about half an hour on 2 cores
    python benchmarks/search.py --dims 64 --ks 1,10 --rounds 3
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import harness
import latentknn as lk
import peers
from codes import fashion_mnist

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference  # the float64 definition that every answer is compared with

SAMPLE = 16  # queries compared with the reference


def integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def check(codes: peers.Codes, queries: peers.Codes, k: int, threads: int) -> np.ndarray:
    """Return the reference's ids of the sample, having found latentknn's answers equal to the byte."""
    expected = reference.search(codes, queries[:SAMPLE], k)
    found = lk.CosineIndex.from_codes(codes, threads=threads).search(queries, k, scores64=True)
    if not (
        np.array_equal(found.ids[:SAMPLE], expected.ids)
        and found.similarities[:SAMPLE].tobytes() == expected.similarities.tobytes()
        and found.scores64[:SAMPLE].tobytes() == expected.scores64.tobytes()
    ):
        raise SystemExit(f"latentknn's answers differ from the reference at d={codes.shape[1]}, k={k}")
    return expected.ids


def share_found(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of the reference's neighbours among those found."""
    return float(np.mean([np.isin(e, f).mean() for f, e in zip(found, expected, strict=True)]))


def measure(dim: int, k: int, names: list[str], rounds: int, threads: int, peak: float) -> dict[str, Any]:
    codes, queries = fashion_mnist(dim)
    expected = check(codes, queries, k, threads)
    builders = {"latentknn": peers.Latentknn} | {name: peers.PEERS[name] for name in names}
    ready = {name: build(codes, threads) for name, build in builders.items()}
    found = {name: share_found(s.search(queries[:SAMPLE], k), expected) for name, s in ready.items()}

    def permuted(round_number: int) -> peers.Codes:
        return queries[np.random.default_rng(round_number).permutation(len(queries))]

    times = harness.paired_times(
        {name: (lambda given, s=s: s.search(given, k)) for name, s in ready.items()}, permuted, rounds
    )
    del ready
    one_shot = harness.paired_times(
        {
            name: (lambda given, b=build: b(codes, threads).search(given, k))
            for name, build in builders.items()
            if name in ("latentknn", "FAISS")
        },
        permuted,
        rounds,
    )
    ours = times["latentknn"]
    rate = 2.0 * len(codes) * len(queries) * dim / 1e9
    line = {
        "dim": dim,
        "k": k,
        "rounds": rounds,
        "seconds": times,
        "one_shot_seconds": one_shot,
        "share_of_reference_found": found,
        "effective_gflops": rate / float(np.median(ours)),
        "share_of_fp32_peak": rate / float(np.median(ours)) / peak,
        "strategy": lk.CosineIndex(dim).strategy,
    }
    show(line)
    return line


def show(line: dict[str, Any]) -> None:
    print(table_row(line), flush=True)


def table_row(line: dict[str, Any]) -> str:
    times = line["seconds"]
    others = {name: harness.ratios(times[name], times["latentknn"]) for name in times if name != "latentknn"}
    fastest = min(others, key=lambda name: others[name].median)
    one_shot = line["one_shot_seconds"]
    cells = [
        str(line["dim"]),
        str(line["k"]),
        f"{harness.Spread.of(times['latentknn']).median:.3f}",
        *(str(others[name]) for name in others),
        str(harness.ratios(one_shot["FAISS"], one_shot["latentknn"])),
        fastest,
        f"{line['effective_gflops']:.0f}",
        f"{line['share_of_fp32_peak']:.0%}",
    ]
    return "| " + " | ".join(cells) + " |"


def table(lines: list[dict[str, Any]]) -> str:
    names = [name for name in lines[0]["seconds"] if name != "latentknn"]
    head = [
        "d",
        "k",
        "seconds",
        *(f"× {n}" for n in names),
        "× FAISS, one-shot",
        "fastest peer",
        "GFLOP/s",
        "of fp32 peak",
    ]
    rows = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(rows + [table_row(line) for line in lines])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=integers, default=[10, 32, 64, 128, 784])
    parser.add_argument("--ks", type=integers, default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="comma-separated")
    parser.add_argument("--name", default="search", help="name of the JSON file under results/")
    arguments = parser.parse_args()
    names = arguments.peers.split(",")
    if "TensorFlow" in names:
        peers.limit_tensorflow(arguments.threads)
    peak = harness.measured_peak(arguments.threads)
    print(f"fp32 peak {peak['fp32']} GFLOP/s on {arguments.threads} threads", flush=True)
    lines = [
        measure(dim, k, names, arguments.rounds, arguments.threads, peak["fp32"])
        for dim in arguments.dims
        for k in arguments.ks
    ]
    packages = ["latentknn", "numpy", "scikit-learn", "faiss-cpu", "tensorflow-cpu"]
    about = harness.machine(arguments.threads, packages)
    path = harness.write_json(arguments.name, {"machine": about, "peak": peak, "lines": lines})
    print(table(lines))
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


if __name__ == "__main__":
    main()
