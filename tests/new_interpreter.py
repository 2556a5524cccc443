"""Helpers that run programs in a new interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from scale import SCALE

HANG = 120 * max(1, SCALE)
"""Number of seconds after which a process counts as hanging."""


def run_python(*arguments: str, folder: Path | None = None, **environment: str) -> tuple[int, str, str]:
    """Run a new interpreter, in a folder if one is given, and return its status, output and errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    return done.returncode, done.stdout, done.stderr


def run_script(script: str, *arguments: str) -> str:
    """Run a script in a new interpreter that finds the modules of the tests, and return what it prints."""
    status, output, errors = run_python(
        "-c", textwrap.dedent(script), *arguments, folder=Path(__file__).parent
    )
    assert status == 0, output + errors
    return output
