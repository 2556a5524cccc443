"""The connection of this process to a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import nullcontext, suppress
from threading import Lock
from typing import Any

from latentknn.distributed.head_watch import HeadWatch
from latentknn.distributed.orphans import OrphanWatch
from latentknn.distributed.placement import Node
from latentknn.distributed.ray_library import import_ray, on_loopback

NAMESPACE = "latentknn"
_LOOPBACK = "127.0.0.1"

_SHARE_FOR_OBJECTS = 16
"""One part of so many of the machine's memory holds queries and answers under way in a cluster of its own."""

_REACH_SECONDS = 5.0

_lock = Lock()
_own_users = 0
_own = False
_through = ""
"""The address ``ray://`` that this process is connected through, which Ray does not tell."""

_watch: HeadWatch | None = None
_orphans: OrphanWatch | None = None


class Attachment:
    """A use of the cluster that this process is connected to; `release` ends it.

    Parameters
    ----------
    address : str
        "local" for a cluster of this process alone, on this machine, that ends with it: no other is joined,
        whatever the environment says. "auto" for the cluster that this process is connected to already, or
        else the one that Ray finds by ``RAY_ADDRESS`` or on this machine. Or an address, such as
        ``ray://host:10001`` or ``host:6379``.

    Raises
    ------
    ConnectionError
        Where there is no cluster.
    ImportError
        Where Ray is missing.
    RuntimeError
        For "local" in a process that is connected to another cluster, or an address while it is connected.
    """

    def __init__(self, address: str) -> None:
        global _own, _own_users, _through, _watch
        ray = import_ray()
        if not isinstance(address, str):
            raise TypeError(f"address must be a string, received a {type(address).__name__}")
        with _lock:
            connected = ray.is_initialized()
            if not connected or _watch is None or _watch.address != _address(ray):
                # Whoever has connected this process since does not lend it a cluster of its own.
                _own, _own_users = False, 0
            if connected and address == "local" and not _own:
                raise RuntimeError(
                    "this process is connected to a Ray cluster already, and address='local' joins none: "
                    "pass address='auto' to use that cluster, or call ray.shutdown() first"
                )
            if connected and address not in ("local", "auto") and address != _address(ray):
                raise RuntimeError(
                    f"this process is connected to the Ray cluster at {_address(ray)}, received address = "
                    f"{address!r}; pass 'auto' to use that one, or call ray.shutdown() first"
                )
            if not connected:
                _connect(ray, address)
                _through = address
                _own = address == "local"
            self.own = _own
            _own_users += self.own
            if not connected or _watch is None or _watch.address != _address(ray) or _watch.lost:
                _watch = HeadWatch(_address(ray), connected_address)
            self.watch = _watch
        self._released = False

    def release(self) -> None:
        """End the use; the cluster of this process ends with the last of them."""
        global _own, _own_users, _watch
        with _lock:
            if self._released:
                return
            self._released = True
            # A cluster that was begun since is not the one of this use.
            if not self.own or self.watch is not _watch or connected_address() != self.watch.address:
                return
            _own_users -= 1
            if _own_users == 0:
                _own = False
                self.watch.close()
                _watch = None
                import_ray().shutdown()
                _watch_orphans(False)


def live_nodes() -> list[Node]:
    """Return the nodes of the cluster that have memory for actors, always in one order."""
    found = [
        Node(each["NodeID"], each["NodeManagerAddress"], int(each["Resources"].get("memory", 0)))
        for each in import_ray().nodes()
        if each["Alive"]
    ]
    return sorted((node for node in found if node.memory > 0), key=lambda node: node.node_id)


def connected_address() -> str | None:
    """Return the address of the cluster that this process is connected to, if there is one."""
    ray = import_ray()
    return _address(ray) if ray.is_initialized() else None


def _address(ray: Any) -> str:
    if ray.util.client.ray.is_connected():
        return _through
    return str(ray.get_runtime_context().gcs_address)


def _connect(ray: Any, address: str) -> None:
    settings: dict[str, Any] = {
        "address": address,
        "namespace": NAMESPACE,
        "logging_level": logging.ERROR,
        "log_to_driver": False,
    }
    if address == "local":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        settings |= {
            "include_dashboard": False,
            "object_store_memory": memory // _SHARE_FOR_OBJECTS,
        }
    if address.startswith("ray://"):
        settings = {"address": address, "namespace": NAMESPACE}
    own = address == "local" or address.startswith(f"{_LOOPBACK}:")
    try:
        _check_reachable(address)
        with on_loopback() if own else nullcontext():
            ray.init(**settings)
    except (OSError, RuntimeError) as error:
        with suppress(Exception):
            ray.shutdown()
        raise ConnectionError(
            f"there is no Ray cluster at {address!r}: {error}; begin one by `ray start --head` or "
            "`latentknn cluster start`, or pass address='local'"
        ) from error
    _watch_orphans(address == "local")


def _watch_orphans(watch: bool) -> None:
    """Watch the processes of the cluster that has just begun, or none; those of one before are gone."""
    global _orphans
    if _orphans is not None:
        _orphans.end()
    _orphans = OrphanWatch() if watch else None


def _check_reachable(address: str) -> None:
    """Raise OSError where nobody listens at an address, which Ray tries for half a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS).close()
