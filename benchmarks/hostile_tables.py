"""What hostile.py prints: ratios to the best fixed strategy and to FAISS, the worst line first."""

import statistics
from typing import Any

from harness import Spread, ratios

FIXED = ("fp32", "int16", "int8")
OURS, FAISS = "auto", "FAISS"

Record = dict[str, Any]


def over_best(line: Record) -> Spread:
    """Time over that of the best fixed strategy, which is known only afterwards."""
    best = min(FIXED, key=lambda name: statistics.median(line["seconds"][name]))
    return ratios(line["seconds"][OURS], line["seconds"][best])


def over_faiss(line: Record) -> Spread:
    return ratios(line["seconds"][FAISS], line["seconds"][OURS])


HEAD = (
    "| data | n | d | queries | k | begins in | ms | fp32 / int16 / int8 | FAISS | over best | × FAISS |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def row(line: Record) -> str:
    milliseconds = {name: 1000 * statistics.median(times) for name, times in line["seconds"].items()}
    fixed = " / ".join(f"{milliseconds[name]:.0f}" for name in FIXED)
    return (
        f"| {line['kind']} | {line['rows']:,} | {line['dim']} | {line['queries']:,} | {line['k']:,} | "
        f"{line['screen']} | {milliseconds[OURS]:.0f} | {fixed} | {milliseconds[FAISS]:.0f} | "
        f"{over_best(line)} | {over_faiss(line)} |"
    )


def summary(lines: list[Record]) -> str:
    """Say the worst and the median of every k, and then all lines, the slowest beside FAISS first."""
    text = [
        "| k | lines | worst over the best fixed | worst × FAISS | median × FAISS |",
        "| --- | --- | --- | --- | --- |",
    ]
    for k in sorted({line["k"] for line in lines}):
        some = [line for line in lines if line["k"] == k]
        faiss = [over_faiss(line).median for line in some]
        worst = max(over_best(line).median for line in some)
        text.append(
            f"| {k:,} | {len(some)} | {worst:.2f} | {min(faiss):.2f} | {statistics.median(faiss):.2f} |"
        )
    ordered = sorted(lines, key=lambda line: over_faiss(line).median)
    return "\n".join([*text, "", HEAD, *map(row, ordered)])
