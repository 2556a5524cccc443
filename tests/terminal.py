"""A terminal for the tests: a process of its own whose error output, or all output, is one."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import textwrap
from pathlib import Path

from new_interpreter import HANG


def run_on_terminal(*arguments: str, width: int = 80, **environment: str) -> tuple[int, str]:
    """Run a new interpreter on a terminal of some width, and return its status and what the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=Path(__file__).parent,
        env={**kept, "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        received = bytearray()
        # Reading fails when the process has closed its end.
        try:
            while part := os.read(ours, 65536):
                received += part
        except OSError:
            pass
        os.close(ours)
        status = process.wait(HANG)
    return status, received.decode().replace("\r\n", "\n")


def run_script_on_terminal(script: str, width: int = 80) -> str:
    """Run a script on a terminal, and return what the terminal got."""
    status, output = run_on_terminal("-c", textwrap.dedent(script), width=width)
    assert status == 0, output
    return output
