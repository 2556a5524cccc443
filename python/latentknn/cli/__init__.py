"""The command line, ``latentknn``: every command has a file of its own, with its options and what it does."""

import argparse
import os
import sys
from collections.abc import Sequence

from latentknn import __version__
from latentknn.cli import datasets, engines, models, run
from latentknn.cli.errors import CommandError

_INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended: 128 and the number of the signal."""

_NOBODY_READS = 141
"""Exit status where whoever read the output has gone, likewise."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments, without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit status: 0 for success, 2 for an error of the user, which is printed, 130 for Ctrl-C, 141
        where nobody reads the output any more, as behind ``| head -1``.

    Raises
    ------
    SystemExit
        After ``--help`` and ``--version``, with status 0, and for arguments that cannot be parsed, with 2.
    """
    # TensorFlow would tell at every start what it was built for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try to write at its end what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except CommandError as error:
        print(f"latentknn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nlatentknn: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latentknn", description="Exact cosine nearest-neighbour classification of learned codes."
    )
    parser.add_argument("--version", action="version", version=f"latentknn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, models, datasets, engines):
        command.add_to(commands)
    return parser
