"""What the workers of an index hold and do."""

from __future__ import annotations

import time
from dataclasses import dataclass

from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.serving import Serving


@dataclass(frozen=True)
class WorkerStatus:
    """One worker.

    Attributes
    ----------
    shards : tuple of int
        Numbers of the shards that it holds.
    answers : bool
        Whether it answered in time; what follows is 0 otherwise.
    restarted : bool
        Whether its process has been begun again since `start`, because it or its node ended.
    node : str
        Id of its node.
    pid : int
        Its process there.
    rows : int
        Codes that it has in memory.
    memory : int
        Bytes that its process occupies.
    threads : int
        Threads that search.
    queries : int
        Queries that it has answered since its process began, each group of shards counted.
    queries_per_second : float
        Of the last minute.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(folder) as index:
    ...     (worker,) = index.status().workers
    >>> worker.shards, worker.rows, worker.answers, worker.restarted
    ((0,), 3, True, False)
    """

    shards: tuple[int, ...]
    answers: bool
    restarted: bool = False
    node: str = ""
    pid: int = 0
    rows: int = 0
    memory: int = 0
    threads: int = 0
    queries: int = 0
    queries_per_second: float = 0.0


@dataclass(frozen=True)
class ClusterStatus:
    """An index and its workers.

    Attributes
    ----------
    name : str or None
    path : str
        The folder.
    generation : int
    rows, dim, shards, replicas : int
        Codes, their dimensions, shards of the manifest, and workers that hold each.
    workers : tuple of WorkerStatus

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(folder) as index:
    ...     status = index.status()
    >>> status.generation, status.rows, status.shards, status.replicas, status.restarts
    (1, 3, 1, 1, 0)
    """

    name: str | None
    path: str
    generation: int
    rows: int
    dim: int
    shards: int
    replicas: int
    workers: tuple[WorkerStatus, ...]

    @property
    def restarts(self) -> int:
        """Workers whose process has been begun again."""
        return sum(each.restarted for each in self.workers)


def status_of(serving: Serving, name: str | None, timeout: float) -> ClusterStatus:
    """Ask every worker, and wait at most `timeout` seconds for all of them."""
    ray = import_ray()
    deadline = time.monotonic() + timeout
    calls = [member.handle.status.remote() for member in serving.members]
    workers = []
    for call, member in zip(calls, serving.members, strict=True):
        try:
            found = ray.get(call, timeout=max(0.0, deadline - time.monotonic()))
            workers.append(WorkerStatus(answers=True, **found))
        except ray.exceptions.RayError:
            numbers = (number for group in member.groups for number in serving.groups[group])
            workers.append(WorkerStatus(tuple(sorted(numbers)), False))
    manifest = serving.manifest
    return ClusterStatus(
        name,
        serving.folder,
        manifest.generation,
        manifest.rows,
        manifest.dim,
        len(manifest.shards),
        serving.replicas,
        tuple(workers),
    )
