"""The tables of what gpu.json holds; where they are printed, there need be no device.

python -m benchmarks.gpu.tables --results benchmarks/results/h200
"""

import json

from benchmarks.gpu.command_line import parser
from benchmarks.harness import markdown
from benchmarks.harness.results import OURS, Record
from benchmarks.harness.timing import Spread, ratios

BESIDE = "beside"  # the other of two builds that were timed in turns
_COLUMNS = ["", "k", "ms", "TFLOP/s", "of the fp16 peak", "given up"]


def milliseconds(seconds: list[float]) -> Spread:
    """Return the median and the extremes of times, in milliseconds."""
    return Spread.of([1000 * each for each in seconds])


def described(seconds: list[float], operations: int) -> str:
    """Return times, and effective TFLOP/s in the median of them."""
    spread = milliseconds(seconds)
    return f"{spread} ms, {operations / spread.median / 1e9:.4g} TFLOP/s"


def all_tables(results: Record) -> str:
    """Return a line a case, and one for each of two builds that were timed beside each other."""
    cases, lines = results["cases"].values(), results["lines"]
    names = [
        name for name in dict.fromkeys(name for case in cases for name in case["seconds"]) if name != OURS
    ]
    columns = [*_COLUMNS, *(f"× {name}" for name in names)]
    text = [", ".join(each for each in results["about"].values() if each)]
    text += ["", markdown.table(columns, (_cells(case, names) for case in cases))]
    if BESIDE in lines:
        text += ["", f"In turns with another build, {lines[BESIDE]['data']}:"]
        text += [
            f"- {name}: {described(seconds, lines[BESIDE]['operations'])}"
            for name, seconds in lines[BESIDE]["seconds"].items()
        ]
    return "\n".join(text)


def _cells(case: Record, names: list[str]) -> list[str]:
    own = case["seconds"][OURS]
    times = milliseconds(own)
    reached = case["operations"] / times.median / 1e9
    return [
        case["data"],
        str(case["k"]),
        str(times),
        f"{reached:.4g}",
        f"{reached / case['fp16_peak']:.0%}",
        str(case["given_up"]),
        *(
            str(ratios(case["seconds"][name], own)) if name in case["seconds"] else markdown.NOTHING
            for name in names
        ),
    ]


if __name__ == "__main__":
    print(all_tables(json.loads((parser(__doc__).parse_args().results / "gpu.json").read_text())))
