"""The command line, ``latentknn``. The file of a command holds its options and its action."""

import argparse
import os
import sys
from collections.abc import Sequence

from latentknn import __version__
from latentknn.cli import compare, datasets, engines, evaluate, models, run
from latentknn.cli.errors import CommandError

_INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended: 128 plus the number of the signal."""

_NOBODY_READS = 141
"""Exit status of a command whose output nobody reads any more: 128 plus the number of SIGPIPE."""


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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latentknn", description="Exact cosine nearest-neighbour classification of learned codes."
    )
    parser.add_argument("--version", action="version", version=f"latentknn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, evaluate, compare, models, datasets, engines):
        command.add_to(commands)
    return parser
