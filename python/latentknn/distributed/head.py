"""A cluster on this machine that outlives the process that began it, and ends with `stop`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from latentknn.distributed.client import seconds
from latentknn.distributed.placement import check_replicas
from latentknn.distributed.records import Record, check_name, check_system, log_of, recall

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


def start_apart(path: str | os.PathLike[str], name: str, replicas: int, timeout: float) -> Record:
    """Start an index on this machine in a process of its own, and return where its cluster is.

    Parameters
    ----------
    path : str or path
        The folder of shards.
    name : str
        By which `connect` finds it.
    replicas : int
        Nodes that hold each shard; a cluster of this machine is one node.
    timeout : float
        Seconds for reading the shards.

    Returns
    -------
    Record
        Its `address` is that of the cluster, its `pid` that of the process.

    Raises
    ------
    FileExistsError
        Where this user has begun one of that name.
    NotImplementedError
        Where the system has no ``/proc``, by which the process is known.
    RuntimeError
        Where it could not be started; the message is that of `start`.
    TypeError, ValueError
        For a name, a number of replicas or a time that is none.

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
    check_replicas(replicas)
    seconds(timeout)
    check_system()
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
    record = None
    try:
        with process.stdout as output:
            if output.readline().strip() == b"started":
                record = recall(name)
    finally:
        # An interrupted start leaves no process.
        if record is None:
            process.kill()
            process.wait()
    if record is not None:
        return record
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise RuntimeError(lines[-1] if lines else "the process of the index ended without a word")


def is_head(pid: int) -> bool:
    """Return whether a process is one that `start_apart` has started."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return arguments[1:3] == [b"-c", _HEAD.encode()]
