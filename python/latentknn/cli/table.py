"""Tables in plain text, and on a terminal such as fit its width."""

import sys
from collections.abc import Sequence

_SHORT = 16
"""Characters up to which cells of a column stay in one line, as numbers do."""


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equally many cells, the first of which is the header, to be printed.

    Where the output is a terminal, long cells have several lines, so that the table is no wider. Elsewhere
    every row is a line, whose columns are aligned to the left.
    """
    if sys.stdout.isatty():
        return _drawn(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return "\n".join(lines)


def _drawn(rows: Sequence[Sequence[str]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for header, *cells in zip(*rows, strict=True):
        table.add_column(Text(header), no_wrap=max(map(len, cells), default=0) <= _SHORT, overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout)
    with console.capture() as drawn:
        console.print(table)
    return "\n".join(line.rstrip() for line in drawn.get().splitlines())
