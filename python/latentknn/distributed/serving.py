"""The workers that serve one generation of a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from latentknn import _core
from latentknn.distributed.errors import IncompleteAnswerError
from latentknn.distributed.messages import Receipt
from latentknn.distributed.placement import Node, Seat, group_shards, seats
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.runtime import NAMESPACE
from latentknn.distributed.worker import ShardWorker
from latentknn.files.manifest import Manifest

_CALLS_AT_ONCE = 4
"""Searches that a worker has under way at once; others wait at the worker."""

_CONTROL = "control"
"""The threads of a worker that answer while searches occupy the others."""

_CONTROLS = ("describe", "set_mask", "forget_mask", "find_mask", "retire", "status")
"""The methods that these threads run."""

_DEAD_AFTER = 10.0
"""Seconds that the end of a worker's process is waited for."""


@dataclass(frozen=True, eq=False)
class Member:
    """A worker: its handle, and the groups that it holds."""

    handle: Any
    groups: tuple[int, ...]


@dataclass(eq=False)
class Serving:
    """The workers of a generation, as a client knows them.

    Parameters
    ----------
    folder : str
    manifest : Manifest
    groups : list of tuple of int
        Numbers of the shards of each group.
    members : list of Member
    """

    folder: str
    manifest: Manifest
    groups: list[tuple[int, ...]]
    members: list[Member]
    _preferred: dict[int, int] = field(default_factory=dict)
    _under_way: int = 0
    _changed: Condition = field(default_factory=Condition)

    def members_of(self, group: int) -> list[Member]:
        """Return the workers that hold a group; the one that answered last time comes first."""
        # A worker lists the group that it is the first to be asked for before those of others.
        holding = [each for each in self.members if group in each.groups]
        holding.sort(key=lambda each: each.groups.index(group))
        first = self._preferred.get(group, 0) % max(1, len(holding))
        return [*holding[first:], *holding[:first]]

    def prefer(self, group: int, member: Member) -> None:
        """Ask this worker first from now on."""
        holding = [each for each in self.members if group in each.groups]
        holding.sort(key=lambda each: each.groups.index(group))
        self._preferred[group] = holding.index(member)

    def rows_of(self, group: int) -> int:
        """Return the number of codes of a group."""
        return sum(self.manifest.shards[number].rows for number in self.groups[group])

    def check(self, group: int, receipts: Sequence[Receipt]) -> None:
        """Raise IncompleteAnswerError unless there is one right receipt for each shard of a group."""
        wanted = {
            number: Receipt(
                self.manifest.generation,
                number,
                self.manifest.shards[number].digest,
                self.manifest.shards[number].rows,
            )
            for number in self.groups[group]
        }
        found = {receipt.number: receipt for receipt in receipts}
        for number, receipt in wanted.items():
            if found.get(number) != receipt:
                raise IncompleteAnswerError(
                    f"shard {number} ({self.manifest.shards[number].file!r}) should have answered as "
                    f"{receipt}, and the answer has {found.get(number)}",
                    (number,),
                )
        if len(receipts) != len(wanted):
            raise IncompleteAnswerError(
                f"{len(wanted)} shards were asked, and {len(receipts)} answered", self.groups[group]
            )

    def begin_batch(self) -> None:
        """Count a batch that is under way."""
        with self._changed:
            self._under_way += 1

    def end_batch(self) -> None:
        """Count a batch as done."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def wait_for_batches(self) -> None:
        """Wait until this process has no batch of this generation under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0)

    def end(self) -> None:
        """End the workers, and wait until their processes are gone."""
        ray = import_ray()
        for member in self.members:
            with suppress(Exception):
                ray.kill(member.handle, no_restart=True)
        deadline = time.monotonic() + _DEAD_AFTER
        for member in self.members:
            while time.monotonic() < deadline:
                try:
                    ended = member.handle.describe.options(max_task_retries=0)
                    ray.get(ended.remote(), timeout=0.5)
                except ray.exceptions.GetTimeoutError:
                    continue
                except Exception:
                    break


def member_name(name: str, generation: int, number: int) -> str:
    """Return the name by which Ray knows a worker."""
    return f"{name}/{generation}/{number}"


def begin_serving(
    folder: str, manifest: Manifest, nodes: Sequence[Node], replicas: int, name: str | None, timeout: float
) -> Serving:
    """Begin one worker a node, and wait until all have read their shards.

    Raises
    ------
    IncompleteAnswerError
        Where a shard is not there after `timeout` seconds; it is named, and no worker is left.
    MemoryError, OSError, TypeError, ValueError
        As `seats`, or where a shard is damaged or cannot be read; no worker is left.
    """
    groups = group_shards(manifest, len(nodes))
    seated = seats(manifest, groups, nodes, replicas)
    members = [
        _begin(folder, manifest, groups, seat, replicas, name, number) for number, seat in enumerate(seated)
    ]
    serving = Serving(folder, manifest, groups, members)
    try:
        _wait_for_shards(serving, seated, timeout)
    except BaseException:
        serving.end()
        raise
    return serving


def _begin(
    folder: str,
    manifest: Manifest,
    groups: Sequence[tuple[int, ...]],
    seat: Seat,
    replicas: int,
    name: str | None,
    number: int,
) -> Member:
    ray = import_ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for method in _CONTROLS:
        ray.method(concurrency_group=_CONTROL)(getattr(ShardWorker, method))
    # A worker takes no processor from Ray: where a node ends, its worker begins again on another one, whose
    # processors a worker has already. Both then share them.
    actor = ray.remote(
        num_cpus=0,
        memory=seat.memory,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=_CALLS_AT_ONCE,
        concurrency_groups={_CONTROL: 2},
        scheduling_strategy=NodeAffinitySchedulingStrategy(seat.node.node_id, soft=True),
        namespace=NAMESPACE,
    )(ShardWorker)
    if name is not None:
        named = member_name(name, manifest.generation, number)
        actor = actor.options(name=named, lifetime="detached")
    own = {group: groups[group] for group in seat.groups}
    return Member(actor.remote(folder, manifest, own, replicas), seat.groups)


def _wait_for_shards(serving: Serving, seated: Sequence[Seat], timeout: float) -> None:
    ray = import_ray()

    deadline = time.monotonic() + timeout
    calls = [member.handle.load.remote() for member in serving.members]
    for call, member, seat in zip(calls, serving.members, seated, strict=True):
        numbers = tuple(number for group in member.groups for number in serving.groups[group])
        try:
            version, receipts = ray.get(call, timeout=max(0.0, deadline - time.monotonic()))
        except ray.exceptions.GetTimeoutError:
            raise IncompleteAnswerError(
                f"shards {', '.join(map(str, numbers))} were not read within {timeout:g} s on node "
                f"{seat.node.address}: they need {seat.memory:,} bytes that Ray has not given to others; add "
                "nodes, or allow more time by timeout=",
                numbers,
            ) from None
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            raise IncompleteAnswerError(
                f"the worker of shards {', '.join(map(str, numbers))} ended while it began: {error}", numbers
            ) from error
        if version != _core.__version__:
            raise RuntimeError(
                f"node {seat.node.address} has latentknn {version}, and this process {_core.__version__}; "
                "install one version everywhere"
            )
        for group in member.groups:
            of_group = [each for each in receipts if each.number in serving.groups[group]]
            serving.check(group, of_group)


def find_serving(name: str) -> Serving | None:
    """Return the newest generation that is served under a name, and whole; None where there is none."""
    ray = import_ray()
    prefix = f"{name}/"
    listed = [
        each["name"]
        for each in ray.util.list_named_actors(all_namespaces=True)
        if each["namespace"] == NAMESPACE and str(each["name"]).startswith(prefix)
    ]
    generations: dict[int, list[str]] = {}
    for each in listed:
        generations.setdefault(int(each.split("/")[-2]), []).append(each)
    for generation in sorted(generations, reverse=True):
        found = _served(sorted(generations[generation], key=lambda each: int(each.split("/")[-1])))
        if found is not None:
            return found
    return None


def _served(names: Sequence[str]) -> Serving | None:
    """Return the workers of a generation, unless one is missing: then they are ending, or begin."""
    ray = import_ray()
    members, groups = [], {}
    described = None
    for each in names:
        try:
            handle = ray.get_actor(each, namespace=NAMESPACE)
            described = ray.get(handle.describe.remote(), timeout=_DEAD_AFTER)
        except (ValueError, ray.exceptions.RayError):
            return None
        _, _, own, _ = described
        members.append(Member(handle, tuple(own)))
        groups.update(own)
    if described is None:
        return None
    folder, manifest, _, replicas = described
    listed = [groups[group] for group in sorted(groups)]
    whole = sorted(number for group in listed for number in group) == list(range(len(manifest.shards)))
    counts = [sum(group in each.groups for each in members) for group in groups]
    return Serving(folder, manifest, listed, members) if whole and min(counts) == replicas else None
