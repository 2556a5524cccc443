"""Names that users may misspell."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches

import typer


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a question that names what is spelt alike, or nothing."""
    alike = get_close_matches(name, known)
    return f"; did you mean {' or '.join(alike)}?" if alike else ""


def choice(*known: str) -> Callable[[str], str]:
    """Return a function that reads one of some names from the command line."""

    def read(text: str) -> str:
        if text in known:
            return text
        raise typer.BadParameter(
            f"invalid choice: {text!r} (choose from {', '.join(known)}){did_you_mean(text, known)}"
        )

    return read


def completing(known: Callable[[], Collection[str]]) -> Callable[[str], list[str]]:
    """Return a function that completes the beginning of a name, for shells."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known() if name.startswith(incomplete)]

    return complete
