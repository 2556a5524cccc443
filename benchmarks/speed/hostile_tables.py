"""What hostile.py prints: ratios to the best fixed strategy and to FAISS, the worst line first."""

import statistics

from benchmarks.harness import markdown
from benchmarks.harness.results import Record
from benchmarks.harness.timing import Spread, ratios

FIXED = ("fp32", "int16", "int8")
AUTO, FAISS = "auto", "FAISS"


def over_best(line: Record) -> Spread:
    """Time over that of the best fixed strategy, which is known only afterwards."""
    best = min(FIXED, key=lambda name: statistics.median(line["seconds"][name]))
    return ratios(line["seconds"][AUTO], line["seconds"][best])


def over_faiss(line: Record) -> Spread:
    return ratios(line["seconds"][FAISS], line["seconds"][AUTO])


COLUMNS = (
    "data",
    "n",
    "d",
    "queries",
    "k",
    "begins in",
    "ms",
    "fp32 / int16 / int8",
    "FAISS",
    "over best",
    "× FAISS",
)
_SUMMARY_COLUMNS = ("k", "lines", "worst over the best fixed", "worst × FAISS", "median × FAISS")


def cells(line: Record) -> list[str]:
    """Return a row of the table that has all lines."""
    milliseconds = {name: 1000 * statistics.median(times) for name, times in line["seconds"].items()}
    return [
        line["kind"],
        f"{line['rows']:,}",
        str(line["dim"]),
        f"{line['queries']:,}",
        f"{line['k']:,}",
        line["screen"],
        f"{milliseconds[AUTO]:.0f}",
        " / ".join(f"{milliseconds[name]:.0f}" for name in FIXED),
        f"{milliseconds[FAISS]:.0f}",
        str(over_best(line)),
        str(over_faiss(line)),
    ]


def summary(lines: list[Record]) -> str:
    """Say the worst and the median of every k, and then all lines, the slowest beside FAISS first."""
    of_k = []
    for k in sorted({line["k"] for line in lines}):
        some = [line for line in lines if line["k"] == k]
        faiss = [over_faiss(line).median for line in some]
        worst = max(over_best(line).median for line in some)
        of_k.append(
            [
                f"{k:,}",
                str(len(some)),
                f"{worst:.2f}",
                f"{min(faiss):.2f}",
                f"{statistics.median(faiss):.2f}",
            ]
        )
    ordered = sorted(lines, key=lambda line: over_faiss(line).median)
    tables = (markdown.table(_SUMMARY_COLUMNS, of_k), markdown.table(COLUMNS, map(cells, ordered)))
    return "\n\n".join(tables)
