"""The shard that is likely to hold most of a query's neighbours, which is asked first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from latentknn.shards.asking import Asking

_SAMPLED = 256
"""Rows of a shard that queries are compared with."""

_QUERIES_AT_ONCE = 1024


class Homes:
    """A few rows of every shard, in float32; what is guessed by them changes no answer.

    Parameters
    ----------
    codes : iterable of ndarray of shape (n, d), float32
        The codes of every shard; a few are copied, and the next shard's are read after that.
    """

    def __init__(self, codes: Iterable[NDArray[np.float32]]) -> None:
        samples = [_sample(rows) for rows in codes]
        self._begins = np.cumsum([0] + [len(rows) for rows in samples])
        self._samples = np.concatenate(samples)

    def of(self, asking: Asking, shards: list[int]) -> NDArray[np.intp]:
        """Return the likeliest of some shards, none of them empty, for each query."""
        if asking.home is not None or len(shards) == 1:
            return np.full(asking.count, shards[0] if asking.home is None else asking.home)
        queries = asking.queries()
        homes = np.empty(len(queries), np.intp)
        # Numbers near the ends of float32 become infinite or NaN here, which makes for a worse guess.
        with np.errstate(all="ignore"):
            for begin in range(0, len(queries), _QUERIES_AT_ONCE):
                part = slice(begin, begin + _QUERIES_AT_ONCE)
                near = [queries[part] @ self._rows_of(shard).T for shard in shards]
                homes[part] = np.argmax([similarities.max(axis=1) for similarities in near], axis=0)
        named: NDArray[np.intp] = np.asarray(shards, np.intp)[homes]
        return named

    def _rows_of(self, shard: int) -> NDArray[np.float32]:
        return self._samples[self._begins[shard] : self._begins[shard + 1]]


def _sample(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    sample = rows[:: max(1, len(rows) // _SAMPLED)][:_SAMPLED].astype(np.float64)
    norms = np.sqrt((sample * sample).sum(axis=1, keepdims=True))
    unit = np.divide(sample, norms, out=np.zeros_like(sample), where=norms > 0)
    return np.asarray(unit, np.float32)
