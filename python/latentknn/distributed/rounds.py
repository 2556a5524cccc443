"""The rounds in which groups of shards are asked, and the merge of what they answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.distributed.calls import Calls
from latentknn.distributed.messages import Allowed, MaskBits
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.serving import Serving
from latentknn.index import SearchResult
from latentknn.shards.asking import ALL, Asking
from latentknn.shards.merging import columns, first_ask

_INLINE_BYTES = 64 << 10
"""Arrays up to this size travel in the call itself; larger ones are put where all nodes fetch them from."""


def shared(array: NDArray[Any]) -> Any:
    """Return what calls take in an array's place: itself, or a reference to one copy for all of them."""
    return array if array.nbytes <= _INLINE_BYTES else import_ray().put(array)


def ask_in_two_rounds(
    calls: Calls,
    queries: Any,
    asking: Asking,
    k: int,
    allowed: dict[int, Allowed] | None,
    available: dict[int, int],
) -> None:
    """Ask every group for a few neighbours, and those groups again that may have more.

    Parameters
    ----------
    calls : Calls
    queries : ndarray of shape (M, d), float32, or a reference to one
    asking : Asking
        Takes what is found.
    k : int
    allowed : dict of int to MaskBits or MaskName, or None
        What may be found of each group.
    available : dict of int to int
        How many codes that is.

    Notes
    -----
    A group without any code that may be found is asked too: every shard has to answer.
    """
    rows = sum(available.values())
    masks = allowed or dict.fromkeys(available)
    few = {group: min(count, first_ask(k, count / rows)) for group, count in available.items()}
    lowest = _bounded(asking.lowest(ALL))
    replies = calls.ask(
        "search",
        {group: (queries, None, max(1, few[group]), lowest, masks[group]) for group in available},
    )
    last = {}
    for group, reply in replies.items():
        if reply.found is not None:
            asking.add(ALL, reply.found)
            if few[group] < min(k, available[group]):
                last[group] = columns(reply.found, slice(-1, None))
    every = np.arange(asking.count)
    doubts = {group: asking.may_gain(every, found) for group, found in last.items()}
    doubts = {group: which for group, which in doubts.items() if len(which) > 0}
    if not doubts:
        return
    replies = calls.ask(
        "search",
        {
            group: (queries, which, k, _bounded(asking.lowest(which)), masks[group])
            for group, which in doubts.items()
        },
    )
    for group, which in doubts.items():
        found = replies[group].found
        assert found is not None
        # The first of them are those that the group gave before.
        asking.add(which, columns(found, slice(few[group], None)))


def ask_by_codes(
    calls: Calls, number: int, rows: slice, k: int, at_least: NDArray[np.float64] | None = None
) -> Asking:
    """Ask every group for the neighbours of some codes of a shard, which find themselves too.

    Parameters
    ----------
    calls : Calls
    number : int
        Which shard.
    rows : slice
        Which of its codes; those behind its end are none.
    k : int
        At most the number of all codes.
    at_least : ndarray of shape (M,), float64, optional
        Similarities that neighbours have at least.
    """
    serving = calls.serving
    home = next(group for group, numbers in enumerate(serving.groups) if number in numbers)
    codes = calls.ask("codes", {home: (number, rows.start, rows.stop)})[home].content
    asking = Asking.of_queries(codes, k, at_least)
    ask_in_two_rounds(calls, shared(codes), asking, k, None, serving.rows_of_groups())
    return asking


def ask_per_class_once(
    calls: Calls, queries: Any, count: int, classes: NDArray[Any], k: int, scores64: bool
) -> SearchResult:
    """Ask every group for the k best codes of every class, and return the best of all groups."""
    askings = [Asking(count, _no_queries, k) for _ in classes]
    groups = range(len(calls.serving.groups))
    replies = calls.ask("search_per_class", dict.fromkeys(groups, (classes, queries, k)))
    for group in groups:
        found = replies[group].found
        assert found is not None
        for number, asking in enumerate(askings):
            asking.add(ALL, _of_class(found, number))
    answers = [asking.found(scores64) for asking in askings]
    return SearchResult(
        np.stack([each.similarities for each in answers]),
        np.stack([each.ids for each in answers]),
        np.stack([each.positions for each in answers]),
        np.stack([each.scores for each in answers]) if scores64 else None,
    )


def mask_bits(serving: Serving, flags: NDArray[np.bool_]) -> dict[int, MaskBits]:
    """Return the flags of each group, from those of all codes, shape (n,)."""
    shards = serving.manifest.shards
    return {
        group: MaskBits.of(
            np.concatenate(
                [flags[each.first : each.first + each.rows] for each in map(shards.__getitem__, numbers)]
            )
        )
        for group, numbers in enumerate(serving.groups)
    }


def _bounded(lowest: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return lowest if (lowest > -np.inf).any() else None


def _of_class(found: SearchResult, number: int) -> SearchResult:
    assert found.scores64 is not None
    return SearchResult(
        found.similarities[number], found.ids[number], found.positions[number], found.scores64[number]
    )


def _no_queries() -> NDArray[np.float32]:
    raise NotImplementedError("queries of one round are asked once")
