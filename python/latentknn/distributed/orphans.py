"""Processes of a cluster of this process that would outlive it.

Where the process that began a cluster is killed, Ray's own processes end with it, except for the agents of
the node: they notice after two seconds, and then try for a minute to tell the head, which is gone too
(``report_raylet_error_logs`` in ``ray/_private/process_watcher.py``). A small process that waits for the end
of this one ends them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from latentknn.distributed.records import process_began

_HEADS = ("raylet", "gcs_server")
"""Programs of Ray whose processes, and those that descend from them, are a cluster's."""

_WATCH = """
import os, signal, sys, time
parent, *known = sys.argv[1:]
while os.getppid() == int(parent):
    time.sleep(0.5)
for pid, began in (each.split(":") for each in known):
    try:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[19] == began:
                os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""
"""Ends processes, each known by its number and by when it began, once the parent of this one is another."""


class OrphanWatch:
    """A process that ends what is left of a cluster when this process is gone; `end` ends it before.

    It watches the processes that the cluster has when this is made. Where the system has no ``/proc`` or no
    room for another process, or Python does not know its own program, nothing is watched.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        known = _cluster_processes()
        if not known or not sys.executable:
            return
        with suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WATCH, str(os.getpid()), *known],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def end(self) -> None:
        """Watch no longer; the cluster has been shut down."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _cluster_processes() -> list[str]:
    """Return number and begin of Ray's processes below this one, as the watching process takes them."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            parent = int((path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.name))
    found = [pid for pid in children.get(os.getpid(), []) if _program(pid) in _HEADS]
    for pid in found:
        found += children.get(pid, [])
    return [f"{pid}:{began}" for pid in found if (began := process_began(pid)) is not None]


def _program(pid: int) -> str:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""
