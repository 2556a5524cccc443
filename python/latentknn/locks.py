"""A lock that raises in a forked child instead of waiting for a thread that is not there."""

from __future__ import annotations

import os
import threading
from types import TracebackType

_PATIENCE = 0.2
"""Seconds after which a waiting thread checks whether its process was forked."""


class ForkAwareLock:
    """A reentrant lock for ``with``.

    If a process is forked while another thread holds the lock, the child lacks that thread. Entering the lock
    raises there instead of waiting for ever.

    Raises
    ------
    RuntimeError
        If such a child enters the lock.

    Examples
    --------
    >>> lock = ForkAwareLock()
    >>> with lock:
    ...     print("alone")
    alone
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # The id of the process that entered last.
        self._process = 0

    def __enter__(self) -> None:
        while not self._lock.acquire(timeout=_PATIENCE):
            if self._process != os.getpid():
                raise RuntimeError(
                    "this index was in use by another thread when the process was forked; make it, or load "
                    "it, in the child"
                )
        self._process = os.getpid()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()
