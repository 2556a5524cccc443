"""The command line, ``latentknn``. The file of a command holds its options and its action."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from latentknn import __version__
from latentknn.cli import cluster, compare, datasets, doctor, engines, evaluate, models, run, shards
from latentknn.cli.errors import CommandError

_INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended: 128 plus the number of the signal."""

_NOBODY_READS = 141
"""Exit status of a command whose output nobody reads any more: 128 plus the number of SIGPIPE."""

_CLOSED_PIPE = 1
"""Exit status by which the parser ends where nobody reads the help that it prints."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit status: 0 for success, 2 for an error of the user (which is printed), 130 for Ctrl-C, and 141
        if nobody reads the output any more, as with ``| head -1``.

    Raises
    ------
    SystemExit
        With status 0 after ``--help`` and ``--version``, and with 2 if arguments cannot be parsed.
    """
    # Otherwise TensorFlow prints at every start for which processors it was built.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        command = _parse(arguments)
        command()
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python tries to write the rest of the output when it ends, and prints an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except CommandError as error:
        print(f"latentknn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nlatentknn: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parse(arguments: list[str]) -> Any:
    """Return what the arguments ask for, to be called; SystemExit where the parser has done all there is."""
    try:
        command = _app()(arguments, prog_name="latentknn", standalone_mode=False)
    except typer.TyperException as error:
        _refuse(error)
    except SystemExit as end:
        if end.code != _CLOSED_PIPE:
            raise
        raise BrokenPipeError from end
    # The parser returns an exit status where it has printed the help or the version itself.
    if not callable(command):
        raise SystemExit(command)
    return command


def _app() -> typer.Typer:
    app = typer.Typer(
        help="Exact cosine nearest-neighbour classification of learned codes.",
        context_settings={"help_option_names": ["-h", "--help"]},
        # Rich draws boxes, which are for people alone.
        rich_markup_mode="rich" if sys.stdout.isatty() else None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    for command in (run, evaluate, compare, models, datasets, engines, doctor, shards, cluster):
        command.add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"latentknn {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def _refuse(error: typer.TyperException) -> NoReturn:
    """Print what is wrong with the arguments, and end with status 2."""
    context = getattr(error, "ctx", None)
    parameter = getattr(error, "param", None)
    path = "latentknn" if context is None else context.command_path
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
    # What is said of a missing argument is in no message of its own.
    if isinstance(error, typer.BadParameter) and parameter is not None and error.message:
        said = f"argument {parameter.opts[0]}: {error.message}"
    else:
        said = error.format_message()
    print(f"{path}: error: {said}", file=sys.stderr)
    raise SystemExit(2)
