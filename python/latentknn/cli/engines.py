"""``latentknn engines`` lists the engines that can search on this machine."""

import typer

from latentknn import CosineIndex, _core, engines
from latentknn.cli.deferring import deferred
from latentknn.cli.helping import paragraphs
from latentknn.cli.table import format_table
from latentknn.engines import automatic

_HELP = """\
List what can run a search on this machine.

Each engine stands with what its kernels were made for, or with what is missing where it cannot run.
The environment variable LATENTKNN_ISA chooses another instruction set of the engine cpu than the best.
"""


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("engines", help=paragraphs(_HELP))(_list)


@deferred
def _list() -> None:
    rows: list[tuple[str, ...]] = [("engine", "exact", "available", "kernels, or what is missing")]
    for each in engines.availability():
        answers = ("yes" if yes else "no" for yes in (each.exact, each.available))
        rows.append((each.name, *answers, each.kernels or each.missing))
    index = CosineIndex(1)
    print(format_table(rows))
    threads = _core.usable_processors()
    print(f"\nauto takes {index.engine}, here with {index.isa} and {threads} threads,")
    print(f"and cuda, if it is available, for codes of {automatic.WORTH_DEVICES:,} numbers or more.")
