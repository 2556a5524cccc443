"""Masks that stay on the shards under a name."""

from __future__ import annotations

import time
from dataclasses import dataclass

from latentknn.distributed.calls import SLICE_SECONDS, Calls, Patience
from latentknn.distributed.errors import AnswerTimeoutError, IncompleteAnswerError, UnknownMaskError
from latentknn.distributed.messages import Allowed, MaskBits, MaskName
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.serving import Serving
from latentknn.files.digests import digest_of


@dataclass(eq=False)
class NamedMask:
    """What a client knows of a mask.

    Parameters
    ----------
    name : MaskName
    available : dict of int to int
        How many codes of each group it has.
    bits : dict of int to MaskBits, or None
        The mask itself, where this client has set it.
    """

    name: MaskName
    available: dict[int, int]
    bits: dict[int, MaskBits] | None = None

    def by_group(self) -> dict[int, Allowed]:
        """Return what each group is asked with."""
        return dict.fromkeys(self.available, self.name)


def set_mask(serving: Serving, name: str, bits: dict[int, MaskBits], patience: Patience) -> NamedMask:
    """Give a mask to all workers, and wait until one that holds each group has it.

    Raises
    ------
    IncompleteAnswerError
        Where none has it in time; the shards are named.
    """
    digest = digest_of(*(each.bits.data for each in bits.values())).hex()
    _send(serving, MaskName(name, digest), bits, patience, replace=True)
    return NamedMask(MaskName(name, digest), {group: each.available for group, each in bits.items()}, bits)


def send_again(calls: Calls, mask: NamedMask) -> bool:
    """Give a mask to workers that have begun again since it was set, and return whether it is theirs now.

    It is not where this client has not set it, or where another client has replaced it since: what that one
    has set stays.

    Raises
    ------
    AnswerTimeoutError, IncompleteAnswerError
        See `find_mask` and `set_mask`.
    """
    if mask.bits is None:
        return False
    digests, _ = _held(calls, mask.name.name)
    if digests - {mask.name.digest}:
        return False
    return _send(calls.serving, mask.name, mask.bits, calls.patience, replace=False)


def find_mask(calls: Calls, name: str) -> NamedMask:
    """Return a mask that another client has set.

    Raises
    ------
    AnswerTimeoutError, IncompleteAnswerError
        Where no worker of some shards has answered, in time or at all; the shards are named.
    UnknownMaskError
        Where there is no such mask, or not on all shards.
    """
    serving = calls.serving
    digests, available = _held(calls, name)
    if len(digests) != 1 or len(available) < len(serving.groups):
        raise UnknownMaskError(
            f"there is no mask {name!r} on all shards of generation {serving.manifest.generation}; set it by "
            "set_mask()"
        )
    return NamedMask(MaskName(name, digests.pop()), available)


def _held(calls: Calls, name: str) -> tuple[set[str], dict[int, int]]:
    """Return the digests of the masks of a name, and how many codes each group has in them."""
    ray = import_ray()
    serving, patience = calls.serving, calls.patience
    asked = {member.handle.find_mask.remote(name): member for member in serving.members}
    left, waiting = list(asked), set(range(len(serving.groups)))
    digests: set[str] = set()
    available: dict[int, int] = {}
    failure: BaseException | None = None
    replicas_until = time.monotonic() + patience.hedge_after
    while left and len(available) < len(serving.groups):
        calls.watch.check()
        # Where all who have answered for a group do not hold the mask, a replica may that is slower.
        until = min(patience.deadline, replicas_until) if not waiting else patience.deadline
        seconds = max(0.0, min(SLICE_SECONDS, until - time.monotonic()))
        ready, left = ray.wait(left, num_returns=1, timeout=seconds)
        if not ready:
            if time.monotonic() >= until:
                break
            continue
        try:
            found = ray.get(ready[0], timeout=patience.left)
        except ray.exceptions.RayError as error:
            failure = error
            continue
        waiting -= set(asked[ready[0]].groups)
        if found is not None:
            digests.add(found[0])
            available.update(found[1])
    if waiting:
        numbers = sorted(number for group in waiting for number in serving.groups[group])
        listed = (
            f"no worker of shards {', '.join(map(str, numbers))} has said whether it holds the mask {name!r}"
        )
        if failure is None or patience.left == 0.0:
            raise AnswerTimeoutError(f"{listed} within {patience.seconds:g} s", numbers)
        raise IncompleteAnswerError(f"{listed}: {failure}", numbers) from failure
    return digests, available


def forget_mask(serving: Serving, name: str) -> None:
    """Tell all workers to hold a mask no longer."""
    for member in serving.members:
        member.handle.forget_mask.remote(name)


def _send(
    serving: Serving, mask: MaskName, bits: dict[int, MaskBits], patience: Patience, *, replace: bool
) -> bool:
    """Give a mask to all workers; return whether those who have answered hold it."""
    ray = import_ray()
    calls = {}
    for member in serving.members:
        own = {group: bits[group] for group in member.groups}
        calls[member.handle.set_mask.remote(mask.name, mask.digest, own, replace)] = member
    waiting = set(range(len(serving.groups)))
    left = list(calls)
    held = True
    while left and waiting:
        ready, left = ray.wait(left, num_returns=1, timeout=patience.left)
        if not ready:
            break
        try:
            held = ray.get(ready[0], timeout=patience.left) and held
        except ray.exceptions.RayError:
            continue
        waiting -= set(calls[ready[0]].groups)
    if waiting:
        numbers = [number for group in sorted(waiting) for number in serving.groups[group]]
        raise IncompleteAnswerError(
            f"no worker of shards {', '.join(map(str, numbers))} has taken the mask {mask.name!r}", numbers
        )
    return held
