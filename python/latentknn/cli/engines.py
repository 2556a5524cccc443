"""``latentknn engines``: what can run a search here."""

import argparse
from typing import Any

from latentknn import CosineIndex, _core
from latentknn.cli.table import format_table


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "engines",
        help="list what can run a search on this machine",
        description="List the engines, the instruction sets of this processor (the environment variable "
        "LATENTKNN_ISA chooses another than the default) and the number of threads.",
    )
    parser.set_defaults(command=_list)


def _list(arguments: argparse.Namespace) -> None:
    index = CosineIndex(1)
    rows = [
        ("engine", "exact", "in use", "available", "threads"),
        (
            index.engine,
            "yes" if index.exact else "no",
            index.isa,
            ", ".join(_core.available_isas()),
            str(_core.usable_processors()),
        ),
    ]
    print(format_table(rows))
