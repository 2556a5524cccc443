"""Masks that stay on the shards under a name."""

from __future__ import annotations

from dataclasses import dataclass

from latentknn.distributed.calls import Patience
from latentknn.distributed.errors import IncompleteAnswerError, UnknownMaskError
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
    _send(serving, name, digest, bits, patience)
    return NamedMask(MaskName(name, digest), {group: each.available for group, each in bits.items()}, bits)


def send_again(serving: Serving, mask: NamedMask, patience: Patience) -> None:
    """Give a mask to workers that have begun again since it was set."""
    if mask.bits is None:
        raise UnknownMaskError(
            f"a worker that has begun again does not hold the mask {mask.name.name!r}, and this client did "
            "not set it; set it again by set_mask()"
        )
    _send(serving, mask.name.name, mask.name.digest, mask.bits, patience)


def find_mask(serving: Serving, name: str, patience: Patience) -> NamedMask:
    """Return a mask that another client has set."""
    ray = import_ray()
    found = [
        ray.get(member.handle.find_mask.remote(name), timeout=patience.left) for member in serving.members
    ]
    digests = {each[0] for each in found if each is not None}
    available = {group: count for each in found if each is not None for group, count in each[1].items()}
    if len(digests) != 1 or len(available) < len(serving.groups):
        raise UnknownMaskError(
            f"there is no mask {name!r} on all shards of generation {serving.manifest.generation}; set it by "
            "set_mask()"
        )
    return NamedMask(MaskName(name, digests.pop()), available)


def forget_mask(serving: Serving, name: str) -> None:
    """Tell all workers to hold a mask no longer."""
    for member in serving.members:
        member.handle.forget_mask.remote(name)


def _send(serving: Serving, name: str, digest: str, bits: dict[int, MaskBits], patience: Patience) -> None:
    ray = import_ray()
    calls = {}
    for member in serving.members:
        own = {group: bits[group] for group in member.groups}
        calls[member.handle.set_mask.remote(name, digest, own)] = member
    waiting = set(range(len(serving.groups)))
    left = list(calls)
    while left and waiting:
        ready, left = ray.wait(left, num_returns=1, timeout=patience.left)
        if not ready:
            break
        try:
            ray.get(ready[0])
        except ray.exceptions.RayError:
            continue
        waiting -= set(calls[ready[0]].groups)
    if waiting:
        numbers = [number for group in sorted(waiting) for number in serving.groups[group]]
        raise IncompleteAnswerError(
            f"no worker of shards {', '.join(map(str, numbers))} has taken the mask {name!r}", numbers
        )
