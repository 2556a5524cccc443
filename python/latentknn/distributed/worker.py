"""The process of a node that holds shards and searches them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn import _core
from latentknn.distributed.errors import GenerationError, UnknownMaskError
from latentknn.distributed.heeding import GivenUpError, HeedingShard
from latentknn.distributed.messages import Allowed, Description, MaskBits, MaskName, Receipt, Reply
from latentknn.distributed.ray_library import import_ray
from latentknn.engines.database import NO_ROW
from latentknn.files.manifest import Manifest
from latentknn.index.range_searching import TooManyResultsError
from latentknn.shards.asking import Asking
from latentknn.shards.class_rounds import ask_per_class
from latentknn.shards.homes import Homes
from latentknn.shards.known_rows import places_among
from latentknn.shards.range_rounds import counts_of_parts, ranges_of_parts
from latentknn.shards.rounds import Part, ask_in_rounds
from latentknn.shards.stored_shard import StoredShard

_RECENT_SECONDS = 60.0
"""Time over which the queries of a second are counted."""


class _Group:
    """Shards that answer together, in memory."""

    def __init__(self, folder: Path, manifest: Manifest, numbers: Sequence[int]) -> None:
        self.numbers = tuple(numbers)
        self.numbered = not manifest.own_ids
        self.firsts = [manifest.shards[number].first for number in numbers]
        self.shards: list[HeedingShard] = []
        receipts = []
        for number in numbers:
            entry = manifest.shards[number]
            index = StoredShard(folder, entry, manifest, "auto", None, True).load()
            self.shards.append(HeedingShard(index, number, _check_wanted))
            receipts.append(Receipt(manifest.generation, number, entry.digest, len(index)))
        self.receipts = tuple(receipts)
        self.homes = Homes(shard.codes() for shard in self.shards)

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def parts(self, flags: NDArray[np.bool_] | None) -> list[Part]:
        """Return the shards with codes that may be found."""
        parts = []
        begin = 0
        for place, (shard, first) in enumerate(zip(self.shards, self.firsts, strict=True)):
            allowed = None if flags is None else flags[begin : begin + len(shard)]
            begin += len(shard)
            available = len(shard) if allowed is None else int(np.count_nonzero(allowed))
            if available > 0:
                parts.append(Part(shard, place, first, self.numbered, allowed, available))
        return parts


class ShardWorker:
    """Holds the shards of some groups, and answers for one group at a time.

    Shards are read when they are first needed, so that a damaged file is an error of the call that needs it,
    and Ray does not begin this process again and again for it.

    Parameters
    ----------
    folder : str
        An absolute path that every node sees.
    manifest : Manifest
        What is served; the folder may hold a newer one.
    groups : dict of int to tuple of int
        Numbers of the shards of each group.
    replicas : int
        Processes that hold each group, for those who connect.
    """

    def __init__(
        self, folder: str, manifest: Manifest, groups: dict[int, tuple[int, ...]], replicas: int
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._numbers = groups
        self._replicas = replicas
        self._groups: dict[int, _Group] = {}
        self._masks: dict[str, tuple[str, dict[int, MaskBits]]] = {}
        self._lock = Lock()
        self._retired = False
        self._queries = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._began = time.monotonic()
        self._under_way = 0

    def describe(self) -> Description:
        """Return what this worker was made with, and whether it serves."""
        serves = not self._retired and (len(self._groups) == len(self._numbers) or _begun_again())
        return Description(self._folder, self._manifest, self._numbers, self._replicas, serves)

    def load(self) -> tuple[str, tuple[Receipt, ...]]:
        """Read every shard, and return the version of this package and receipts of all of them."""
        receipts = [receipt for number in self._numbers for receipt in self._group(number).receipts]
        return _core.__version__, tuple(receipts)

    def search(
        self,
        group: int,
        generation: int,
        queries: NDArray[np.float32],
        which: NDArray[np.intp] | None,
        k: int,
        at_least: NDArray[np.float64] | None,
        allowed: Allowed,
    ) -> Reply:
        """Find the k best codes of a group for some queries, or all that it has.

        Parameters
        ----------
        group, generation : int
        queries : ndarray of shape (M, d), float32
        which : ndarray of shape (m,), or None
            Numbers of the queries that are asked for; None for all.
        k : int
        at_least : ndarray of shape (m,), float64, or None
        allowed : MaskBits, MaskName or None

        Raises
        ------
        GenerationError
            Where this worker serves another generation, or has been told to serve no more.
        UnknownMaskError
            For a mask that this worker does not hold.
        OSError, ValueError
            Where a shard cannot be read, or is damaged; it is named.
        """
        held = self._of_generation(group, generation)
        parts = held.parts(self._flags(group, allowed))
        if not parts:
            return Reply(held.receipts, None)
        rows = queries if which is None else queries[which]
        asking = Asking.of_queries(rows, min(k, sum(part.available for part in parts)), at_least)
        with _Counted(self, len(rows)):
            ask_in_rounds(parts, [asking], k, held.homes)
        return Reply(held.receipts, asking.found(True))

    def search_per_class(
        self,
        group: int,
        generation: int,
        classes: NDArray[Any],
        queries: NDArray[np.float32],
        k: int,
    ) -> Reply:
        """Find the k best codes of every class for each query; classes of which there are fewer end early."""
        held = self._of_generation(group, generation)
        with _Counted(self, queries.shape[-2]):
            found = ask_per_class(held.parts(None), classes, queries, self._manifest.dim, k, True)
        return Reply(held.receipts, found)

    def search_radius(
        self,
        group: int,
        generation: int,
        queries: NDArray[np.float32],
        thresholds: NDArray[np.float64],
        most: int,
        allowed: Allowed,
    ) -> Reply:
        """Find all codes of a group within similarities, or tell how many they are if more than `most`."""
        held = self._of_generation(group, generation)
        parts = held.parts(self._flags(group, allowed))
        with _Counted(self, len(queries)):
            try:
                return Reply(held.receipts, ranges_of_parts(parts, queries, thresholds, False, most))
            except TooManyResultsError as error:
                return Reply(held.receipts, error.count)

    def count_within(
        self,
        group: int,
        generation: int,
        queries: NDArray[np.float32],
        thresholds: NDArray[np.float64],
        allowed: Allowed,
    ) -> Reply:
        """Count the codes of a group within similarities."""
        held = self._of_generation(group, generation)
        parts = held.parts(self._flags(group, allowed))
        with _Counted(self, len(queries)):
            return Reply(held.receipts, counts_of_parts(parts, queries, thresholds))

    def positions(self, group: int, generation: int, ids: NDArray[np.int64]) -> Reply:
        """Return the positions of the codes of a group with some ids, or -1 for those of others."""
        held = self._of_generation(group, generation)
        positions = np.full(len(ids), NO_ROW)
        for shard, first in zip(held.shards, held.firsts, strict=True):
            places = places_among(ids, shard.ids())
            positions = np.where(places == NO_ROW, positions, places + first)
        return Reply(held.receipts, positions)

    def codes(self, group: int, generation: int, number: int, begin: int, end: int) -> Reply:
        """Return some codes of a shard, as they are queries of a search of an index by itself."""
        held = self._of_generation(group, generation)
        return Reply(held.receipts, held.shards[held.numbers.index(number)].codes()[begin:end])

    def ids(self, group: int, generation: int) -> Reply:
        """Return the ids of a group, shard after shard."""
        held = self._of_generation(group, generation)
        return Reply(held.receipts, [shard.ids() for shard in held.shards])

    def labels(self, group: int, generation: int) -> Reply:
        """Return the labels of a group, shard after shard."""
        held = self._of_generation(group, generation)
        return Reply(held.receipts, [shard.labels() for shard in held.shards])

    def class_counts(self, group: int, generation: int) -> Reply:
        """Return the classes of a group, and how many codes each has."""
        held = self._of_generation(group, generation)
        labels = [found for shard in held.shards if (found := shard.labels()) is not None]
        if not labels:
            return Reply(held.receipts, None)
        return Reply(held.receipts, np.unique(np.concatenate(labels), return_counts=True))

    def set_mask(self, name: str, digest: str, bits: dict[int, MaskBits], replace: bool) -> bool:
        """Hold a mask under a name, unless one of that name shall stay; return whether this one is held."""
        if replace:
            self._masks[name] = digest, bits
        return self._masks.setdefault(name, (digest, bits))[0] == digest

    def forget_mask(self, name: str) -> None:
        """Hold a mask no longer."""
        self._masks.pop(name, None)

    def find_mask(self, name: str) -> tuple[str, dict[int, int]] | None:
        """Return the digest of a mask and how many codes of each group it has; None if it is not here."""
        found = self._masks.get(name)
        return (
            None if found is None else (found[0], {group: each.available for group, each in found[1].items()})
        )

    def retire(self) -> int:
        """Refuse all further searches, and return how many are under way."""
        self._retired = True
        return self._under_way

    def status(self) -> dict[str, Any]:
        """Return what `DistributedIndex.status` says of this worker."""
        now = time.monotonic()
        with self._lock:
            recent = sum(count for at, count in self._recent if at > now - _RECENT_SECONDS)
        loaded = [receipt for group in self._groups.values() for receipt in group.receipts]
        context = import_ray().get_runtime_context()
        return {
            "shards": tuple(sorted(number for group in self._numbers.values() for number in group)),
            "restarted": _begun_again(),
            "node": context.get_node_id(),
            "pid": os.getpid(),
            "rows": sum(receipt.rows for receipt in loaded),
            "memory": _resident_bytes(),
            "threads": _core.usable_processors(),
            "queries": self._queries,
            "queries_per_second": recent / max(1e-9, min(_RECENT_SECONDS, now - self._began)),
        }

    def _group(self, number: int) -> _Group:
        with self._lock:
            if number not in self._groups:
                self._groups[number] = _Group(Path(self._folder), self._manifest, self._numbers[number])
            return self._groups[number]

    def _of_generation(self, group: int, generation: int) -> _Group:
        if generation != self._manifest.generation or self._retired:
            said = "and has been told to serve no more" if self._retired else "alone"
            raise GenerationError(
                f"this worker serves generation {self._manifest.generation} {said}, and was asked for "
                f"generation {generation}"
            )
        return self._group(group)

    def _flags(self, group: int, allowed: Allowed) -> NDArray[np.bool_] | None:
        if isinstance(allowed, MaskName):
            digest, bits = self._masks.get(allowed.name, ("", {}))
            if digest != allowed.digest or group not in bits:
                raise UnknownMaskError(f"this worker does not hold the mask {allowed.name!r}")
            allowed = bits[group]
        return None if allowed is None else allowed.flags()


def _resident_bytes() -> int:
    """Return the memory of this process; 0 where the system does not tell by ``/proc``."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _begun_again() -> bool:
    """Return whether Ray has begun this process again: then it reads its shards when they are asked for."""
    return bool(import_ray().get_runtime_context().was_current_actor_reconstructed)


def _check_wanted() -> None:
    """Raise GivenUpError where whoever made the call that this thread answers has cancelled it."""
    if import_ray().get_runtime_context().is_canceled():
        raise GivenUpError("nobody waits for this answer any more")


class _Counted:
    """Counts answered queries, and the searches that are under way, for ``with``."""

    def __init__(self, worker: ShardWorker, queries: int) -> None:
        self._worker = worker
        self._queries = queries

    def __enter__(self) -> None:
        with self._worker._lock:
            self._worker._under_way += 1

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        worker, now = self._worker, time.monotonic()
        with worker._lock:
            worker._under_way -= 1
            if kind is not None:
                return
            worker._queries += self._queries
            worker._recent.append((now, self._queries))
            while worker._recent[0][0] < now - _RECENT_SECONDS:
                worker._recent.popleft()
