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
from latentknn.distributed.messages import Description, Receipt
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
"""Seconds that the end of a worker's process is waited for, and what workers say of themselves."""


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
    replicas : int
        Workers that were begun for each group.
    """

    folder: str
    manifest: Manifest
    groups: list[tuple[int, ...]]
    members: list[Member]
    replicas: int
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

    def rows_of_groups(self) -> dict[int, int]:
        """Return the number of codes of each group."""
        shards = self.manifest.shards
        return {
            group: sum(shards[number].rows for number in numbers) for group, numbers in enumerate(self.groups)
        }

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
        end_workers([member.handle for member in self.members])


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
    serving = Serving(folder, manifest, groups, [], replicas)
    try:
        for number, seat in enumerate(seated):
            serving.members.append(_begin(folder, manifest, groups, seat, replicas, name, number))
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


def find_serving(name: str, seconds: float = _DEAD_AFTER) -> Serving | None:
    """Return the newest generation that is served under a name, and whole; None where there is none.

    Parameters
    ----------
    name : str
    seconds : float
        How long all workers together are waited for. One that is silent or dead is left out where others hold
        its shards.
    """
    deadline = time.monotonic() + seconds
    generations: dict[int, list[str]] = {}
    for each in named_workers(name):
        generations.setdefault(int(each.split("/")[-2]), []).append(each)
    for generation in sorted(generations, reverse=True):
        names = sorted(generations[generation], key=lambda each: int(each.split("/")[-1]))
        found = _served(names, deadline)
        if found is not None:
            return found
    return None


def named_workers(name: str) -> list[str]:
    """Return the names of all workers of an index, of whatever generation and state."""
    ray = import_ray()
    return [
        str(each["name"])
        for each in ray.util.list_named_actors(all_namespaces=True)
        if each["namespace"] == NAMESPACE and str(each["name"]).startswith(f"{name}/")
    ]


def end_named(name: str) -> bool:
    """End all workers of an index, whether they are whole or not; return whether there were any."""
    ray = import_ray()
    handles = []
    for each in named_workers(name):
        # One that has ended meanwhile has no name any more.
        with suppress(ValueError):
            handles.append(ray.get_actor(each, namespace=NAMESPACE))
    end_workers(handles)
    return len(handles) > 0


def end_workers(handles: Sequence[Any]) -> None:
    """End workers, and wait until their processes are gone."""
    ray = import_ray()
    for handle in handles:
        with suppress(Exception):
            ray.kill(handle, no_restart=True)
    deadline = time.monotonic() + _DEAD_AFTER
    for handle in handles:
        while time.monotonic() < deadline:
            try:
                ended = handle.describe.options(max_task_retries=0)
                ray.get(ended.remote(), timeout=0.5)
            except ray.exceptions.GetTimeoutError:
                continue
            except Exception:
                break


def _served(names: Sequence[str], deadline: float) -> Serving | None:
    """Return the workers of a generation, unless they are ending, or begin, or hold not all shards."""
    ray = import_ray()
    calls = {}
    for each in names:
        with suppress(ValueError):
            handle = ray.get_actor(each, namespace=NAMESPACE)
            calls[handle.describe.remote()] = handle
    found: list[tuple[Any, Description]] = []
    for call, handle in calls.items():
        with suppress(ray.exceptions.RayError):
            found.append((handle, ray.get(call, timeout=max(0.0, deadline - time.monotonic()))))
    if not found or not all(each.serves for _, each in found):
        return None
    _, first = found[0]
    groups = {group: numbers for _, each in found for group, numbers in each.groups.items()}
    if sorted(groups) != list(range(len(groups))):
        return None
    listed = [groups[group] for group in range(len(groups))]
    if sorted(number for numbers in listed for number in numbers) != list(range(len(first.manifest.shards))):
        return None
    members = [Member(handle, tuple(each.groups)) for handle, each in found]
    return Serving(first.folder, first.manifest, listed, members, first.replicas)
