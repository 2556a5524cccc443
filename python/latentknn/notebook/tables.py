"""Tables in HTML, of text that is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

_LONGEST_TEXT = 80
_CELL = "text-align:left;padding:0.2em 0.8em"


class Markup(str):
    """HTML that this package made, which is not escaped again."""

    __slots__ = ()


def facts_table(title: str, facts: Mapping[str, object]) -> str:
    """Return a table with a line for each fact, under a title."""
    lines = "".join(
        f'<tr><th scope="row" style="{_CELL}">{_cell(name)}</th><td style="{_CELL}">{_cell(value)}</td></tr>'
        for name, value in facts.items()
    )
    return _table(title, "", lines)


def rows_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, left_out: str = ""
) -> str:
    """Return a table with a row of names above it, and below it what was left out, if anything was."""
    head = "".join(f'<th scope="col" style="{_CELL}">{_cell(column)}</th>' for column in columns)
    lines = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_cell(value)}</td>' for value in row) + "</tr>"
        for row in rows
    )
    below = paragraphs([left_out] if left_out else [])
    return _table(title, f"<thead><tr>{head}</tr></thead>", lines) + below


def paragraphs(sentences: Iterable[str]) -> str:
    """Return each sentence as a paragraph."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def together(*parts: str) -> str:
    """Return parts of HTML below each other."""
    return f'<div class="latentknn">{"".join(parts)}</div>'


def _table(title: str, head: str, lines: str) -> str:
    caption = (
        '<caption style="caption-side:top;text-align:left;font-weight:bold;white-space:nowrap">'
        f"{escape(title)}</caption>"
        if title
        else ""
    )
    return f'<table class="dataframe">{caption}{head}<tbody>{lines}</tbody></table>'


def _cell(value: object) -> str:
    if isinstance(value, Markup):
        return value
    text = " ".join(str(value).split())
    return escape(text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…")
