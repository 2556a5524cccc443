"""A Ray cluster of several nodes on this machine, and folders of shards for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from latentknn.files.folder import WritableFolder
from latentknn.files.manifest import Manifest, listed_classes
from latentknn.files.shard import write_shard

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}

HEALTH = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 6,
}
"""Ray's defaults tell of a dead node after 15 seconds or more; these after three."""


class RayCluster:
    """A head without processors to give away, and nodes that come and go; this process is connected to it."""

    def __init__(self) -> None:
        import ray
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            # The head holds no shards, as workers have memory on nodes alone.
            head_node_args={
                **NODE,
                "num_cpus": 0,
                "memory": 0,
                "include_dashboard": False,
                "_system_config": HEALTH,
            },
        )
        self.nodes: list[Any] = []
        self.address = self._cluster.address
        ray.init(address=self.address, log_to_driver=False, logging_level="error")

    def have(self, count: int, **settings: Any) -> None:
        """Add or remove nodes until there are as many, and Ray knows of it."""
        while len(self.nodes) > count:
            self.remove(self.nodes[-1])
        while len(self.nodes) < count:
            self.add(**settings)
        self.settle()

    def add(self, **settings: Any) -> Any:
        """Add a node."""
        self.nodes.append(self._cluster.add_node(**{**NODE, "memory": 1 << 30, **settings}))
        return self.nodes[-1]

    def remove(self, node: Any) -> None:
        """End a node and all of its processes at once."""
        for pid in self.processes_of(node):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def settle(self) -> None:
        """Wait until Ray knows which nodes live."""
        import ray

        wanted = {node.node_id for node in self.nodes} | {self._cluster.head_node.node_id}
        alive: set[str] = set()

        def known() -> bool:
            alive.clear()
            alive.update(each["NodeID"] for each in ray.nodes() if each["Alive"])
            return alive == wanted

        assert eventually(known), (alive, wanted)

    @contextmanager
    def client_server(self) -> Iterator[str]:
        """Give the address ``ray://`` of a server for processes without a node, for the time of a block."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = ["--address", self.address, "--host", "127.0.0.1", "--port", str(port), "--mode", "legacy"]
        with subprocess.Popen(
            [sys.executable, "-m", "ray.util.client.server", *where], stdout=-3, stderr=-3
        ) as process:
            try:
                assert eventually(lambda: listens(port))
                yield f"ray://127.0.0.1:{port}"
            finally:
                process.kill()

    def processes_of(self, node: Any) -> list[int]:
        """Return the processes of a node: its raylet and what descends from that."""
        raylet = node.all_processes["raylet"][0].process.pid
        return [raylet, *descendants(raylet)]

    def shutdown(self) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()


def descendants(pid: int) -> list[int]:
    """Return the processes that descend from one."""
    children: dict[int, list[int]] = {}
    for each in os.listdir("/proc"):
        if each.isdigit():
            parent = parent_of(int(each))
            children.setdefault(parent, []).append(int(each))
    found, new = [], [pid]
    while new:
        new = [child for each in new for child in children.get(each, [])]
        found += new
    return found


def listeners(pid: int) -> list[str]:
    """Return the addresses on which a process and those that descend from it listen to TCP."""
    sockets = {}
    for table, width in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                packed = np.frombuffer(bytes.fromhex(fields[1][:width]), "<u4").byteswap().tobytes()
                mapped = packed[-4:] if packed[:-4] in (b"", bytes(10) + b"\xff\xff") else packed
                sockets[f"socket:[{fields[9]}]"] = str(ip_address(mapped))
    found = []
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            for descriptor in Path(f"/proc/{each}/fd").iterdir():
                with suppress(OSError):
                    found += [sockets[link] for link in [os.readlink(descriptor)] if link in sockets]
    return found


def listens(port: int) -> bool:
    """Return whether a process of this machine listens on a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Return whether something holds before the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def write_folder(
    path: Path,
    codes: np.ndarray,
    bounds: Sequence[int],
    labels: np.ndarray | None = None,
    ids: np.ndarray | None = None,
) -> Manifest:
    """Write codes as shards that end at the bounds, which `Writer` makes of one size; some may be empty."""
    with WritableFolder(path) as folder:
        entries = []
        for begin, end in pairwise([0, *bounds, len(codes)]):
            rows = slice(begin, end)
            entries.append(
                write_shard(
                    folder.path,
                    folder.new_name(),
                    codes[rows],
                    None if ids is None else ids[rows],
                    None if labels is None else labels[rows],
                    first=begin,
                )
            )
        manifest = Manifest(
            codes.shape[1],
            tuple(entries),
            len(codes),
            own_ids=ids is not None,
            labels_dtype=None if labels is None else labels.dtype.str,
            classes=listed_classes(labels),
            generation=folder.manifest.generation if folder.manifest else 0,
        )
        return folder.commit(manifest)
