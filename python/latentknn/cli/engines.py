"""``latentknn engines`` lists the engines that can search on this machine."""

import argparse
from typing import Any

from latentknn import CosineIndex, _core, engines
from latentknn.cli.table import format_table
from latentknn.engines import automatic


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "engines",
        help="list what can run a search on this machine",
        description="List the engines, what their kernels were made for, and what is missing where one "
        "cannot run. The environment variable LATENTKNN_ISA chooses another instruction set of the engine "
        "cpu than the best.",
    )
    parser.set_defaults(command=_list)


def _list(arguments: argparse.Namespace) -> None:
    rows: list[tuple[str, ...]] = [("engine", "exact", "available", "kernels, or what is missing")]
    for each in engines.availability():
        answers = ("yes" if yes else "no" for yes in (each.exact, each.available))
        rows.append((each.name, *answers, each.kernels or each.missing))
    index = CosineIndex(1)
    print(format_table(rows))
    threads = _core.usable_processors()
    print(f"\nauto takes {index.engine}, here with {index.isa} and {threads} threads,")
    print(f"and cuda, if it is available, for codes of {automatic.WORTH_DEVICES:,} numbers or more.")
