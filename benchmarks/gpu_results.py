"""The results of the CUDA engine's benchmarks, in gpu.json, and their table.

python benchmarks/gpu_results.py --results FOLDER      # prints the table
"""

import argparse
import hashlib
import json
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import harness
from latentknn import _core, _cuda, engines, index
from latentknn.engines import cuda_engine, stored_database

OWN = "latentknn"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what all these scripts are told."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--results", required=True, type=Path, metavar="FOLDER", help="where gpu.json is")
    made.add_argument(
        "--scale",
        default=1.0,
        type=float,
        help="below 1: a rehearsal, of so much smaller sizes; PyTorch need not find a device",
    )
    return made


def open_results(folder: Path, scale: float) -> harness.Results:
    """Return the results in a folder, to which more can be added; SystemExit where they are of other code."""
    return harness.Results("gpu", about(scale), folder)


def about(scale: float) -> dict[str, str]:
    """Return what a measurement is of; SystemExit where there is no device."""
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    if not cuda.available:
        raise SystemExit(cuda.missing)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "device": cuda.kernels,
        "torch": metadata.version("torch"),
        "build": _build(),
        "rehearsal": "" if scale == 1 else f"a rehearsal, sizes times {scale}: its times mean nothing",
    }


def milliseconds(seconds: list[float]) -> harness.Spread:
    """Return the median and the extremes of times, in milliseconds."""
    return harness.Spread.of([1000 * each for each in seconds])


def described(seconds: list[float], operations: int) -> str:
    """Return times, and effective TFLOP/s in the median of them."""
    spread = milliseconds(seconds)
    return f"{spread} ms, {operations / spread.median / 1e9:.4g} TFLOP/s"


def table(results: dict[str, Any]) -> str:
    """Return a line a case, and one for each of two builds that were timed beside each other."""
    cases, lines = results["cases"].values(), results["lines"]
    names = [
        name for name in dict.fromkeys(name for case in cases for name in case["seconds"]) if name != OWN
    ]
    head = ["", "k", "ms", "TFLOP/s", "of the fp16 peak", "given up", *(f"× {name}" for name in names)]
    found = [head, ["---"] * len(head)]
    found += [_line(case, names) for case in cases]
    text = [", ".join(each for each in results["about"].values() if each)]
    text += ["", *("| " + " | ".join(line) + " |" for line in found)]
    if "beside" in lines:
        text += ["", f"In turns with another build, {lines['beside']['data']}:"]
        text += [
            f"- {name}: {described(seconds, lines['beside']['operations'])}"
            for name, seconds in lines["beside"]["seconds"].items()
        ]
    return "\n".join(text)


def _line(case: dict[str, Any], names: list[str]) -> list[str]:
    own = case["seconds"][OWN]
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
            str(harness.ratios(case["seconds"][name], own)) if name in case["seconds"] else "–"
            for name in names
        ),
    ]


def _build() -> str:
    """Return a digest of what runs, by which results of different builds are told apart."""
    digest = hashlib.sha256()
    for module in (_core, _cuda, cuda_engine, stored_database, index):
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    print(table(json.loads((parser(__doc__).parse_args().results / "gpu.json").read_text())))
