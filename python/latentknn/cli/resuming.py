"""The option ``--resume``, which may name the folder of the run or leave it to ``--out``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from latentknn.cli.errors import CommandError

_RESUME = "--resume"


class ResumingCommand(TyperCommand):
    """A command whose ``--resume`` may stand without a folder; then its value is ""."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments."""
        return super().parse_args(ctx, _with_value(args))


def _with_value(arguments: list[str]) -> list[str]:
    """Return arguments in which --resume has a value, which it lacks at the end and before another option."""
    following = (*arguments[1:], "-")
    return [
        f"{_RESUME}=" if argument == _RESUME and after.startswith("-") else argument
        for argument, after in zip(arguments, following, strict=False)
    ]


def folder_of(out: Path | None, resume: str | None, *, overwrite: bool) -> Path:
    """Return the folder of a run by its options, the second of which is "" where it names none.

    Raises
    ------
    CommandError
        If no folder is named, or two, or a run is to be both resumed and replaced.
    """
    if resume is not None and overwrite:
        raise CommandError("argument --overwrite: not allowed with argument --resume")
    if resume and out is not None and Path(resume) != out:
        raise CommandError(f"--resume names {resume}, and --out {out}; give one of them")
    if resume:
        if not Path(resume).is_dir():
            raise CommandError(f"--resume {resume} is no folder; give that of the run")
        return Path(resume)
    if out is None:
        raise CommandError("give a new or empty folder by --out DIR, or that of a run by --resume DIR")
    return out
