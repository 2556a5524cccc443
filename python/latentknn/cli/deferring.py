"""Commands that begin when the parser is done with their arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import ParamSpec

Arguments = ParamSpec("Arguments")


def deferred(command: Callable[Arguments, None]) -> Callable[Arguments, Callable[[], None]]:
    """Return a function of the same arguments that returns the command with them, to be called later.

    Typer would turn Ctrl-C and a closed pipe into exit statuses of its own.
    """

    @wraps(command)
    def defer(*arguments: Arguments.args, **options: Arguments.kwargs) -> Callable[[], None]:
        return partial(command, *arguments, **options)

    return defer
