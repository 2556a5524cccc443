"""Results of range searches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.index.appearance import pairs_html, pairs_text, radius_html, radius_text


@dataclass(frozen=True, eq=False)
class RadiusResult:
    """The codes within a similarity of each query; unpacks into ``indptr, similarities, ids``.

    The arrays are those of a sparse matrix by rows: what belongs to query ``q`` stands from ``indptr[q]`` up
    to ``indptr[q + 1]``. N is the number of codes found for all M queries. Equal to itself alone.

    Attributes
    ----------
    indptr : ndarray of shape (M + 1,), int64
        Where the codes of each query begin, and where the last ones end.
    similarities : ndarray of shape (N,), float32
        Cosine similarities, in [-1, 1].
    ids : ndarray of shape (N,), int64
        The ids of the codes.
    positions : ndarray of shape (N,), int64
        The positions of the codes in the index, in order of insertion. It may be the same array as `ids`
        where every code's id is its position: copy one before you write into it.
    scores64 : ndarray of shape (N,), float64, or None
        The similarities before rounding, where asked for.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> result = index.search_radius([[3.0, 4.0], [-1.0, 0.0]], 0.7)
    >>> result
    RadiusResult(2 queries, 2 codes within the similarity)
    >>> indptr, similarities, ids = result
    >>> ids[indptr[0] : indptr[1]].tolist(), ids[indptr[1] : indptr[2]].tolist()
    ([1, 2], [])
    """

    indptr: NDArray[np.int64]
    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        return f"RadiusResult({radius_text(self)})"

    def _repr_html_(self) -> str:
        return radius_html(self)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.indptr, self.similarities, self.ids))


@dataclass(frozen=True, eq=False)
class SimilarPairs:
    """Some of an index's pairs of similar codes; unpacks into ``similarities, ids``. Equal to itself alone.

    Attributes
    ----------
    similarities : ndarray of shape (P,), float32
        Cosine similarities, in [-1, 1].
    ids : ndarray of shape (P, 2), int64
        The ids of both codes, first that of the code which was added first.
    positions : ndarray of shape (P, 2), int64
        Their positions in the index, in order of insertion.

    Examples
    --------
    >>> import latentknn as lk
    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    >>> next(index.pairs_above(0.9))
    SimilarPairs(1 pair)
    """

    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.similarities)

    def __repr__(self) -> str:
        return f"SimilarPairs({pairs_text(self)})"

    def _repr_html_(self) -> str:
        return pairs_html(self)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.similarities, self.ids))
