"""Ending an index for everybody, and the cluster where it was begun for that index alone."""

from __future__ import annotations

import os
import signal
import time

from latentknn.distributed.head import is_head
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.records import Record, check_name, forget, recall
from latentknn.distributed.runtime import connected_address
from latentknn.distributed.serving import end_named
from latentknn.distributed.starting import attached_to

_END_SECONDS = 15.0


def stop(name: str, *, address: str | None = None) -> None:
    """End an index that was started under a name, for everybody, and its cluster where that was begun for it.

    Workers are ended also where some of them are missing or do not answer.

    Parameters
    ----------
    name, address
        See `connect`.

    Raises
    ------
    ConnectionError, FileNotFoundError, ImportError, TypeError, ValueError
        As `connect`.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> index = lk.distributed.start(folder, name="three-codes")
    >>> lk.distributed.stop("three-codes")
    >>> index.stop()
    """
    check_name(name)
    record = recall(name) if address is None else None
    if record is not None and is_head(record.pid):
        _end_process(record)
    else:
        _end_workers(name, address)
    if record is not None:
        forget(name)


def stop_apart(name: str, address: str | None = None) -> None:
    """End what `start_apart` has started; the same as `stop`.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> index = lk.distributed.start(folder, name="three-codes")
    >>> lk.distributed.stop_apart("three-codes")
    >>> index.stop()
    """
    stop(name, address=address)


def _end_process(record: Record) -> None:
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while record.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    if record.alive:
        os.kill(record.pid, signal.SIGKILL)


def _end_workers(name: str, address: str | None) -> None:
    import_ray()
    attachment = attached_to(name, address)
    try:
        if not end_named(name):
            raise FileNotFoundError(
                f"no index named {name!r} is served by the cluster at {connected_address()}; name another "
                "address where it is served elsewhere"
            )
    finally:
        attachment.release()
