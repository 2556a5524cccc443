"""Shows the pictures of rooms, which repository hosts draw by Mermaid, as tables, which need no script."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

_ARROW = re.compile(r"(\w+) --> (\w+)")


class Mermaid(Directive):
    """A flow chart, each line of which is an arrow, as a table of what uses what."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        used: dict[str, list[str]] = {}
        for line in self.content[1:]:
            arrow = _ARROW.fullmatch(line.strip())
            if arrow is None:
                raise self.error(f"a flow chart has arrows between names alone, received {line!r}")
            used.setdefault(arrow[1], []).append(arrow[2])
        table, group = nodes.table(classes=["rooms"]), nodes.tgroup(cols=2)
        table += group
        group += [nodes.colspec(colwidth=1), nodes.colspec(colwidth=3)]
        group += nodes.thead("", _row("room", "uses, and by way of them others"))
        group += nodes.tbody("", *(_row(room, ", ".join(others)) for room, others in used.items()))
        return [table]


def _row(*texts: str) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in texts))


def setup(app: Sphinx) -> dict[str, bool]:
    """Let pages have flow charts."""
    app.add_directive("mermaid", Mermaid)
    app.config.myst_fence_as_directive = {"mermaid"}
    return {"parallel_read_safe": True}
