"""The progress of long calls, told to a function or shown on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Tell = Callable[[int, int], object]
"""A function that is told how many are done, and of how many."""

ProgressLike = bool | Tell
"""The argument ``progress`` of a call: whether to show a bar, or a function to tell."""


@contextmanager
def progress_of(progress: ProgressLike, what: str) -> Iterator[Tell]:
    """Give a function to tell of progress, by the argument ``progress`` of a call.

    Parameters
    ----------
    progress : bool or callable
        False tells nobody. True shows a bar on the error output while the block lasts, if that is a terminal
        or a notebook. A function is called with the number of items that are done and the number of all.
    what : str
        What is done, before the bar.

    Raises
    ------
    TypeError
        If `progress` is none of these.

    Examples
    --------
    >>> with progress_of(lambda done, total: print(f"{done} of {total}"), "example") as tell:
    ...     tell(1, 2)
    1 of 2
    """
    if progress is False:
        yield _tell_nobody
    elif progress is True:
        with bar(what) as tell:
            yield tell
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress must be True, False or a function, received {progress!r}")


def part_of(progress: ProgressLike, before: int, total: int) -> ProgressLike:
    """Return the argument ``progress`` of a call that does a part of something, after some of its items."""
    if not callable(progress):
        return progress
    return lambda done, _: progress(before + done, total)


@contextmanager
def bar(what: str, file: TextIO | None = None) -> Iterator[Tell]:
    """Show a bar on the error output, and give the function that moves it; it goes when the block ends.

    Until the function is called, the bar shows that something is done and since when. Nothing is shown where
    the output is neither a terminal nor a notebook.

    Parameters
    ----------
    what : str
        What is done, before the bar.
    file : file, optional
        Another file than the error output.
    """
    # Most calls show no bar, and need not import what draws it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=file or sys.stderr)
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not (console.is_terminal or console.is_jupyter),
    )
    with shown:
        task = shown.add_task(what, total=None, count="")
        yield lambda done, total: shown.update(task, completed=done, total=total, count=f"{done:,}/{total:,}")


def _tell_nobody(done: int, total: int) -> None:
    """Do nothing."""
