"""A cluster on this machine that outlives the command that began it, and ends with `stop`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from latentknn.distributed.records import Record, check_name, forget, log_of, recall
from latentknn.distributed.starting import connect

_HEAD = """
import signal, sys, threading
import latentknn as lk
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
path, name, replicas, timeout = sys.argv[1:]
with lk.distributed.start(path, name=name, replicas=int(replicas), timeout=float(timeout)):
    print("started", flush=True)
    ended.wait()
"""

_END_SECONDS = 15.0


def start_apart(path: str | os.PathLike[str], name: str, replicas: int, timeout: float) -> Record:
    """Start an index on this machine in a process of its own, and return where its cluster is.

    Parameters
    ----------
    path : str or path
        The folder of shards.
    name : str
        By which `connect` finds it.
    replicas : int
    timeout : float
        Seconds for reading the shards.

    Raises
    ------
    FileExistsError
        Where this user has begun one of that name.
    RuntimeError
        Where it could not be started; the message is that of `start`.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> from latentknn.distributed import start_apart, stop_apart
    >>> record = start_apart(folder, "three-codes", replicas=1, timeout=60.0)
    >>> record.alive
    True
    >>> stop_apart("three-codes")
    >>> record.alive
    False
    """
    check_name(name)
    if recall(name) is not None:
        raise FileExistsError(
            f"an index named {name!r} is served on this machine; stop it, or choose another name"
        )
    arguments = [os.path.abspath(path), name, str(replicas), str(timeout)]
    log = log_of(name)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _HEAD, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout as output:
        said = output.readline().strip()
    record = recall(name)
    if said == b"started" and record is not None:
        return record
    process.kill()
    process.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise RuntimeError(lines[-1] if lines else "the process of the index ended without a word")


def stop_apart(name: str, address: str | None = None) -> None:
    """End an index of a name, and its cluster where it was begun for it alone.

    Raises
    ------
    ConnectionError, FileNotFoundError
        Where there is none.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> from latentknn.distributed import start_apart, stop_apart
    >>> record = start_apart(folder, "three-codes", replicas=1, timeout=60.0)
    >>> record.alive
    True
    >>> stop_apart("three-codes")
    >>> record.alive
    False
    """
    record = recall(name) if address is None else None
    if record is None:
        connect(name, address=address).stop()
        return
    if Path(f"/proc/{record.pid}/cmdline").read_bytes().split(b"\0")[1:3] != [b"-c", _HEAD.encode()]:
        connect(name).stop()
        forget(name)
        return
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while record.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    if record.alive:
        os.kill(record.pid, signal.SIGKILL)
    forget(name)
