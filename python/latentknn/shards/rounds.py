"""The rounds in which shards are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentknn.index import SearchResult
from latentknn.shards.asking import ALL, Asking, Which
from latentknn.shards.homes import Homes
from latentknn.shards.merging import columns, first_ask, placed
from latentknn.shards.shard import Searchable, Shard


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a shard that a search may find.

    Parameters
    ----------
    shard : Shard
    number : int
        Which shard it is.
    first : int
        Position of its first row in the whole index.
    numbered : bool
        Whether positions in the whole index are the ids.
    allowed : ndarray of bool, or None
        The rows that may be found; None where all may.
    available : int
        How many may, at least one.
    """

    shard: Shard
    number: int
    first: int
    numbered: bool
    allowed: NDArray[np.bool_] | None
    available: int

    def ask(self, index: Searchable, asking: Asking, which: Which, k: int) -> SearchResult:
        """Return the shard's best `k` neighbours of some queries, or fewer where they cannot be of use."""
        lowest = asking.lowest(which)
        found = index.search(
            asking.queries()[which],
            min(k, self.available),
            allowed=self.allowed,
            at_least=lowest if (lowest > -np.inf).any() else None,
            scores64=True,
        )
        return placed(found, self.first, self.numbered)


def ask_once(parts: Sequence[Part], askings: Sequence[Asking], k: int) -> None:
    """Ask each shard for the k best of all queries, one shard after the other.

    This suits shards whose rows must be read for a search: each is read once.
    """
    for part in parts:
        _ask_for_all(part, askings, k)


def _ask_for_all(part: Part, askings: Sequence[Asking], k: int) -> None:
    # This function ends before the next shard is read, so that nothing holds both in memory.
    with part.shard.searchable() as index:
        for asking in askings:
            asking.add(ALL, part.ask(index, asking, ALL, k))


def ask_in_rounds(parts: Sequence[Part], askings: Sequence[Asking], k: int, homes: Homes) -> None:
    """Ask each query's likeliest shard first, then the others for a few, and again those that may have more.

    What the first shard gives spares the others most of their work. This suits shards in memory.
    """
    numbers = [part.number for part in parts]
    at_home = [homes.of(asking, numbers) for asking in askings]
    for part in parts:
        with part.shard.searchable() as index:
            for asking, home in zip(askings, at_home, strict=True):
                which = np.flatnonzero(home == part.number)
                if len(which) > 0:
                    asking.add(which, part.ask(index, asking, which, k))
    doubts = [
        doubt for part in parts for doubt in _ask_for_a_few(part, askings, at_home, k, _share(part, parts))
    ]
    for doubt in doubts:
        doubt.resolve(k)


def _share(part: Part, parts: Sequence[Part]) -> float:
    return part.available / sum(each.available for each in parts)


def _ask_for_a_few(
    part: Part, askings: Sequence[Asking], at_home: Sequence[NDArray[np.intp]], k: int, share: float
) -> Iterator[_Doubt]:
    """Ask a shard for a few neighbours of the queries that are not at home in it."""
    few = first_ask(k, share)
    with part.shard.searchable() as index:
        for asking, home in zip(askings, at_home, strict=True):
            which = np.flatnonzero(home != part.number)
            if len(which) == 0:
                continue
            found = part.ask(index, asking, which, few)
            asking.add(which, found)
            if few < min(k, part.available):
                yield _Doubt(part, asking, which, few, columns(found, slice(-1, None)))


@dataclass(frozen=True, eq=False)
class _Doubt:
    """The last neighbours that a shard gave for some queries, and it may have more."""

    part: Part
    asking: Asking
    which: NDArray[np.intp]
    asked: int
    last: SearchResult

    def resolve(self, k: int) -> None:
        """Ask the shard again where it may have more."""
        which = self.asking.may_gain(self.which, self.last)
        if len(which) > 0:
            with self.part.shard.searchable() as index:
                found = self.part.ask(index, self.asking, which, k)
            # The first of them are those that the shard gave before.
            self.asking.add(which, columns(found, slice(self.asked, None)))
