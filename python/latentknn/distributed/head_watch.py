"""Whether the head of the cluster is alive, which Ray itself tells nobody for a minute."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from latentknn.distributed.errors import ClusterLostError
from latentknn.distributed.ray_library import import_ray

_EVERY_SECONDS = 1.0
_LOST = 3.0
_REFUSED = 1.0
"""What a refused connection counts: three in a row say that the process is gone."""

_UNANSWERED = 0.2
"""What a connection counts that nobody answers: fifteen in a row say that the machine is gone, not busy."""


class HeadWatch:
    """Tries to connect to the head every second, in a thread.

    A process that has lost its head is ended by Ray after a minute, without an exception. Where the head is
    gone, this thread disconnects the process before that, so that it goes on and is told.

    Parameters
    ----------
    address : str
        ``host:port`` of the head's store; for ``ray://`` the client of Ray raises errors of its own, and
        nothing is watched.
    connected : callable
        Returns the address that this process is connected to by now.
    """

    def __init__(self, address: str, connected: Callable[[], str | None]) -> None:
        self.address = address
        self._connected = connected
        self._lost = Event()
        self._closed = Event()
        host, _, port = address.rpartition(":")
        if port.isdigit():
            Thread(target=self._watch, args=(host.strip("[]"), int(port)), daemon=True).start()

    @property
    def lost(self) -> bool:
        """Whether the head is gone."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raise ClusterLostError where the head is gone."""
        if self._lost.is_set():
            raise ClusterLostError(
                f"the head of the Ray cluster at {self.address} does not answer; begin the cluster again, "
                "then start or connect again"
            )

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    def _watch(self, host: str, port: int) -> None:
        failures = 0.0
        while failures < _LOST:
            if self._closed.wait(_EVERY_SECONDS) or self._connected() != self.address:
                return
            try:
                socket.create_connection((host, port), timeout=_EVERY_SECONDS).close()
                failures = 0.0
            except ConnectionRefusedError:
                failures += _REFUSED
            except OSError:
                failures += _UNANSWERED
        self._lost.set()
        # Searches that wait have a moment to see it before their connection ends.
        if not self._closed.wait(_EVERY_SECONDS) and self._connected() == self.address:
            with suppress(Exception):
                import_ray().shutdown()
