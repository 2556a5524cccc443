"""What all programmes of the CUDA engine are told."""

import argparse
from pathlib import Path

from benchmarks.harness import command_line


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the folder of gpu.json, and of the scale of a rehearsal."""
    made = command_line.parser(description)
    made.add_argument("--results", required=True, type=Path, metavar="FOLDER", help="where gpu.json is")
    made.add_argument(
        "--scale",
        default=1.0,
        type=float,
        help="below 1: a rehearsal, of so much smaller sizes; PyTorch need not find a device",
    )
    return made
