"""Results of searches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.index.appearance import result_html, result_text


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The neighbours of a batch of queries; unpacks into ``similarities, ids``. Equal to itself alone.

    Where they were asked for on a device, the arrays are in its memory: ``torch.from_dlpack``,
    ``cupy.from_dlpack`` and their like take them without a copy, and ``to_host()`` gives an ndarray.

    Attributes
    ----------
    similarities : ndarray of shape (M, k), float32
        Cosine similarities, in [-1, 1], best first. Here and below (C, M, k) where every one of C classes was
        searched.
    ids : ndarray of shape (M, k), int64
        The neighbours' ids.
    positions : ndarray of shape (M, k), int64
        The neighbours' positions in the index, in order of insertion.
    scores64 : ndarray of shape (M, k), float64, or None
        The similarities before rounding, by which the neighbours are ordered, where asked for.

    Examples
    --------
    >>> import latentknn as lk
    >>> result = lk.cosine_search([[1.0, 0.0], [0.0, 1.0]], [[3.0, 4.0]], k=2)
    >>> result
    SearchResult(1 query, 2 neighbours each, similarities from 0.6000 to 0.8000)
    >>> similarities, ids = result
    >>> ids.tolist()
    [[1, 0]]
    >>> print(similarities.round(2))
    [[0.8 0.6]]
    """

    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        return result_text(self)

    def _repr_html_(self) -> str:
        return result_html(self)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.similarities, self.ids))

    @property
    def scores(self) -> NDArray[np.float64]:
        """`scores64` where there are any, else the rounded similarities as float64; on the host."""
        scores: Any = self.similarities if self.scores64 is None else self.scores64
        host = scores if isinstance(scores, np.ndarray) else scores.to_host()
        return host.astype(np.float64, copy=False)
