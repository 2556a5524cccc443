"""A lock that a forked child does not wait for in vain."""

from __future__ import annotations

import os
import threading
from types import TracebackType

_PATIENCE = 0.2
"""Seconds after which a thread that waits looks whether anybody is left to wait for."""


class ForkAwareLock:
    """A lock for ``with`` that its thread may enter again.

    A child that is forked while another thread holds it has not got that thread: entering raises there
    instead of waiting for ever.

    Raises
    ------
    RuntimeError
        On entering, in such a child.

    Examples
    --------
    >>> lock = ForkAwareLock()
    >>> with lock:
    ...     print("alone")
    alone
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # This is the process that entered last.
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
