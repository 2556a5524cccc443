"""Tables in Markdown, and pages that hold generated ones between two markers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

NOTHING = "–"
"""What stands in a cell for which there is no figure."""
_END = "<!-- to here -->\n"


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def head(columns: Sequence[str]) -> str:
    """Return the names of the columns, and the line that separates them from the rows."""
    return row(columns) + "\n" + row(["---"] * len(columns))


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([head(columns), *map(row, rows)])


def generated_part(page: Path, writer: str) -> str:
    """Return what stands on a page between the markers of a writer, such as "speed/tables.py"."""
    _, generated, _ = _parts(page, writer)
    return generated


def replace_generated_part(page: Path, writer: str, text: str) -> None:
    """Write a text between the markers of a writer."""
    before, _, after = _parts(page, writer)
    page.write_text(f"{before}{text}{after}")


def _parts(page: Path, writer: str) -> tuple[str, str, str]:
    begin = f"<!-- {writer} writes from here -->\n"
    before, rest = page.read_text().split(begin)
    generated, after = rest.split(_END, 1)
    return before + begin, generated, _END + after
