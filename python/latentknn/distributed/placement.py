"""Which nodes of a cluster hold which shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latentknn.files.manifest import Manifest
from latentknn.index.counts import positive
from latentknn.shards.stored_shard import bytes_to_search


@dataclass(frozen=True)
class Node:
    """A node of the cluster: its id, its address for messages, and the bytes that Ray may give away there."""

    node_id: str
    address: str
    memory: int


@dataclass(frozen=True)
class Seat:
    """What one node holds.

    Parameters
    ----------
    node : Node
    groups : tuple of int
        The group that this node is the first to be asked for, then those that it holds for others.
    memory : int
        Bytes that they need at most while they are read, packed and searched.
    """

    node: Node
    groups: tuple[int, ...]
    memory: int


def group_shards(manifest: Manifest, count: int) -> list[tuple[int, ...]]:
    """Divide the shards into at most `count` groups of about as many codes.

    Returns
    -------
    list of tuple of int
        Numbers of the shards of each group, ascending; no group is empty.

    Examples
    --------
    >>> from latentknn.files.manifest import ShardEntry
    >>> entries = tuple(ShardEntry(f"{i}", rows, 0, 0, "") for i, rows in enumerate((5, 4, 3, 2)))
    >>> group_shards(Manifest(2, entries, 14), 2)
    [(0, 3), (1, 2)]
    """
    rows = [entry.rows for entry in manifest.shards]
    groups: list[list[int]] = [[] for _ in range(min(count, len(rows)))]
    sizes = [0] * len(groups)
    for number in sorted(range(len(rows)), key=lambda each: -rows[each]):
        # Empty shards are spread too: of groups of one size, the one with the fewest shards is next.
        place = min(range(len(groups)), key=lambda each: (sizes[each], len(groups[each])))
        groups[place].append(number)
        sizes[place] += rows[number]
    return [tuple(sorted(group)) for group in groups]


def seats(
    manifest: Manifest, groups: Sequence[tuple[int, ...]], nodes: Sequence[Node], replicas: int
) -> list[Seat]:
    """Return what each node holds: group g is on node g, and its replicas on the nodes that follow.

    Raises
    ------
    MemoryError
        Where a node has no room for its shards; the first of them is named.
    TypeError, ValueError
        For `replicas` that is no number from 1 to that of the nodes.
    """
    if check_replicas(replicas) > len(nodes):
        raise ValueError(
            f"replicas must be at most {len(nodes)}, the number of nodes, received {replicas}: two copies on "
            "one node would end together"
        )
    held: list[list[int]] = [[] for _ in nodes]
    for copy in range(replicas):
        for group in range(len(groups)):
            held[(group + copy) % len(nodes)].append(group)
    return [
        Seat(node, tuple(each), _memory(manifest, [groups[group] for group in each], node))
        for node, each in zip(nodes, held, strict=True)
        if each
    ]


def check_replicas(replicas: int) -> int:
    """Return a number of replicas, or raise TypeError or ValueError."""
    return positive(replicas, "replicas")


def _memory(manifest: Manifest, groups: Sequence[tuple[int, ...]], node: Node) -> int:
    needed = 0
    for number in (number for group in groups for number in group):
        entry = manifest.shards[number]
        needed += bytes_to_search(entry.rows, manifest.dim)
        if needed > node.memory:
            raise MemoryError(
                f"node {node.address} has {node.memory:,} bytes for actors, and shard {number} "
                f"({entry.file!r}, {entry.rows:,} codes) brings what it holds to {needed:,}; add nodes or "
                "memory, or ask for fewer replicas"
            )
    return needed
