"""The arguments of a short run, and a command that must fail, for the tests of the command line."""

from __future__ import annotations

from latentknn.cli import main

QUICK = ["--dataset", "digits", "--model", "simple_ae", "--batch-size", "64", "--seed", "3"]
"""A run with these arguments takes seconds."""


def refused(capsys, *arguments):
    """Run a command that must fail with status 2, and return its message."""
    try:
        status = main(arguments)
    except SystemExit as end:
        # The argument parser ends the process itself.
        status = end.code
    output, errors = capsys.readouterr()
    assert status == 2, f"status {status}: {errors}"
    assert output == "", output
    assert "Traceback" not in errors, errors
    return errors
