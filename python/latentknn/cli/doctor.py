"""``latentknn doctor`` prints what a report of a defect needs to know of a machine."""

from typing import Annotated

import typer

from latentknn.cli.deferring import deferred
from latentknn.cli.helping import paragraphs
from latentknn.doctor import examine

_HELP = """\
Print what a report of a defect needs to know of this machine.

These are versions, the processor and its kernels, threads and what limits them, engines and why one cannot
run, and the BLAS of the libraries beside latentknn, imported for that in processes of their own. Nothing is
sent anywhere; no user and no host is named.
"""


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("doctor", help=paragraphs(_HELP))(_print)


@deferred
def _print(
    json: Annotated[bool, typer.Option("--json", metavar="", help="print JSON instead of text")] = False,
) -> None:
    found = examine()
    print(found.to_json() if json else found)
