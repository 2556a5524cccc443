"""Which codes of the shards a search may find, and searches among those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.distributed.calls import Calls
from latentknn.distributed.columns import fetch_labels
from latentknn.distributed.masks import NamedMask
from latentknn.distributed.messages import Allowed
from latentknn.distributed.rounds import ask_in_two_rounds, mask_bits, shared
from latentknn.engines.database import NO_ROW, Answer
from latentknn.index import SearchResult
from latentknn.index.filters import CommonFilter, Filter, search_filtered
from latentknn.shards.asking import Asking
from latentknn.shards.known_rows import positions_by_number


@dataclass(frozen=True, eq=False)
class ServedRows:
    """The codes of all shards, as `latentknn.index.filters.KnownRows` has them; the workers are asked.

    Parameters
    ----------
    calls : Calls
    """

    calls: Calls

    @property
    def count(self) -> int:
        """Number of codes."""
        return self.calls.serving.manifest.rows

    def required_labels(self) -> NDArray[Any]:
        """Fetch all labels; ValueError where there are none."""
        labels = fetch_labels(self.calls)
        if labels is None:
            raise ValueError("the index has no labels; write its shards with labels=")
        return labels

    def positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the codes with some distinct ids, or `NO_ROW`; all workers look."""
        serving = self.calls.serving
        if not serving.manifest.own_ids:
            return positions_by_number(ids, self.count)
        positions = np.full(len(ids), NO_ROW)
        if len(ids) > 0:
            sent = shared(ids)
            replies = self.calls.ask("positions", dict.fromkeys(range(len(serving.groups)), (sent,)))
            for reply in replies.values():
                positions = np.maximum(positions, reply.content)
        return positions


def of_mask(mask: NamedMask, query_count: int) -> Filter:
    """Return the filter that a mask on the shards is; which codes it has, the workers know."""
    return CommonFilter(query_count, sum(mask.available.values()))


def search_among(
    calls: Calls,
    queries: NDArray[np.float32],
    k: int,
    chosen: Filter,
    mask: NamedMask | None,
    scores64: bool,
    at_least: NDArray[np.float64] | None,
    pad: bool,
) -> SearchResult:
    """Find each query's k best codes of all shards among those that it may find.

    Parameters
    ----------
    calls : Calls
    queries : ndarray of shape (M, d), float32
    k : int
    chosen : Filter
    mask : NamedMask, or None
        The mask on the shards that the filter stands for, if it stands for one.
    scores64 : bool
    at_least : ndarray of shape (M,), float64, or None
    pad : bool
        Whether similarities of neighbours that there are not are NaN.
    """

    def search(
        some: NDArray[np.float32],
        count: int,
        flags: NDArray[np.uint8] | None,
        lowest: NDArray[np.float64] | None,
        _: object,
    ) -> Answer:
        asking = Asking.of_queries(some, count, lowest)
        if len(some) > 0:
            allowed, available = of_groups(calls, flags, mask)
            ask_in_two_rounds(calls, shared(some), asking, count, allowed, available)
        return asking.answer(scores64)

    answer = search_filtered(search, queries, k, chosen, scores64, at_least, pad, None)
    similarities, positions, ids, scores = answer
    return SearchResult(similarities, ids, positions, scores)


def of_groups(
    calls: Calls, flags: NDArray[np.uint8] | None, mask: NamedMask | None
) -> tuple[dict[int, Allowed] | None, dict[int, int]]:
    """Return what may be found of each group of shards, and how many codes that is."""
    serving = calls.serving
    if mask is not None:
        return mask.by_group(), mask.available
    if flags is None:
        return None, serving.rows_of_groups()
    bits = mask_bits(serving, flags.view(np.bool_))
    return {**bits}, {group: each.available for group, each in bits.items()}
