"""Starting an index on a cluster, and connecting to one."""

from __future__ import annotations

import os
from pathlib import Path

from latentknn.distributed.calls import TIMEOUT
from latentknn.distributed.client import Client, seconds
from latentknn.distributed.errors import IncompleteAnswerError
from latentknn.distributed.index import DistributedIndex
from latentknn.distributed.placement import check_replicas
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.records import Record, check_name, check_system, recall, remember
from latentknn.distributed.runtime import Attachment, connected_address, live_nodes
from latentknn.distributed.serving import Serving, begin_serving, find_serving, named_workers
from latentknn.files.manifest import read_newest


def start(
    path: str | os.PathLike[str],
    *,
    address: str = "local",
    replicas: int = 1,
    name: str | None = None,
    timeout: float = 10 * TIMEOUT,
) -> DistributedIndex:
    """Have the nodes of a Ray cluster read a folder of shards, each its share, and return the index of all.

    Parameters
    ----------
    path : str or path
        A folder that `latentknn.shards.Writer` or `CosineIndex.save` wrote. Every node reads it by this path.
    address : str
        "local" begins a cluster on this machine that ends with this process, and joins no other. "auto" is
        the cluster that this process is connected to, or else the one that Ray finds by ``RAY_ADDRESS`` or on
        this machine. Otherwise the address of one, such as ``ray://host:10001``.
    replicas : int
        Nodes that hold each shard. With two, an answer does not wait for a node that has ended or is slow.
    name : str, optional
        By which other processes `connect`. An index with a name, in a cluster that was there before, stays
        when this process ends, until somebody calls `stop`.
    timeout : float
        Seconds for the nodes to read their shards.

    Returns
    -------
    DistributedIndex

    Raises
    ------
    ConnectionError
        Where there is no cluster at the address.
    FileExistsError
        Where an index of that name is served, or begins.
    FileNotFoundError
        Where there is no index in the folder.
    ImportError
        Where Ray is missing.
    IncompleteAnswerError
        Where shards were not read in time; they are named, and no process is left.
    NotImplementedError
        For a name in a cluster of this process, where the system has no ``/proc``.
    MemoryError
        Where a node has no room for its shards; the first of them is named.
    OSError, ValueError
        For a damaged manifest or shard, which is named, an index of no shards, or a number out of range.
    RuntimeError
        For "local" in a process that is connected to a cluster.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2, rows_per_shard=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(folder) as index:
    ...     index.search([[3.0, 4.0]], k=2).ids.tolist()
    [[1, 2]]
    """
    folder = os.path.abspath(path)
    check_replicas(replicas)
    allowed = seconds(timeout)
    if name is not None:
        check_name(name)
        if address == "local":
            check_system()
    import_ray()
    manifest = read_newest(Path(folder))
    if not manifest.shards:
        raise ValueError(f"{folder!r} holds an index of no shards; write codes to it first")
    attachment = Attachment(address)
    try:
        if name is not None and named_workers(name):
            raise FileExistsError(
                f"an index named {name!r} is served by this cluster, or begins there; connect to it, stop "
                "it, or choose another name"
            )
        serving = begin_serving(folder, manifest, live_nodes(), replicas, name, allowed)
        if name is not None and attachment.own:
            remember(name, Record.of(str(connected_address()), os.getpid()))
    except BaseException:
        attachment.release()
        raise
    return DistributedIndex(Client(serving, attachment, name))


def connect(name: str, *, address: str | None = None) -> DistributedIndex:
    """Return the index that another process has started under a name.

    Parameters
    ----------
    name : str
    address : str, optional
        Of the cluster; by default the one that this user began on this machine under that name, by ``start``
        or ``latentknn cluster start``, or else "auto".

    Returns
    -------
    DistributedIndex
        Its `stop` ends the index for everybody; `disconnect` leaves it.

    Raises
    ------
    ConnectionError
        Where there is no cluster.
    FileNotFoundError
        Where no index of that name is served.
    ImportError
        Where Ray is missing.
    IncompleteAnswerError
        Where workers of that name begin or end, or are not enough to answer; `stop` ends them.
    TypeError, ValueError
        For a name that is none.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(folder, name="three-codes"):
    ...     index = lk.distributed.connect("three-codes")  # as other processes do
    ...     print(index.search([[3.0, 4.0]], k=2).ids.tolist())
    ...     index.disconnect()
    [[1, 2]]
    """
    check_name(name)
    import_ray()
    attachment = attached_to(name, address)
    try:
        serving = _found(name)
    except BaseException:
        attachment.release()
        raise
    return DistributedIndex(Client(serving, attachment, name))


def attached_to(name: str, address: str | None) -> Attachment:
    """Return the connection to the cluster where an index of a name is; see `connect`."""
    record = recall(name)
    if address is None:
        connected = connected_address()
        address = record.address if record is not None and connected in (None, record.address) else "auto"
    return Attachment(address)


def _found(name: str) -> Serving:
    serving = find_serving(name)
    if serving is not None:
        return serving
    if named_workers(name):
        raise IncompleteAnswerError(
            f"the workers of the index named {name!r} begin or end, or too few of them answer; try again, or "
            f"end them by stop({name!r})"
        )
    raise FileNotFoundError(
        f"no index named {name!r} is served by the cluster at {connected_address()}; start it by "
        f"start(path, name={name!r}), or name another address"
    )
