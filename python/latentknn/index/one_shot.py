"""A search without an index."""

from __future__ import annotations

from numpy.typing import ArrayLike

from latentknn.index.cosine_index import CosineIndex
from latentknn.index.search_result import SearchResult


def cosine_search(
    codes: ArrayLike, queries: ArrayLike, k: int = 10, *, threads: int | None = None
) -> SearchResult:
    """Find each query's k most cosine-similar codes, without keeping an index; on the processor.

    Parameters
    ----------
    codes : array-like of shape (n, d)
    queries : array-like of shape (M, d)
    k : int
        Neighbours a query, from 1 to n.
    threads : int, optional
        Threads to use; by default all the processors that this process may use.

    Returns
    -------
    SearchResult
        Similarities and ids of shape (M, k); the ids are row numbers of `codes`.

    Raises
    ------
    TypeError, ValueError
        As `CosineIndex.add` and `CosineIndex.search` do.

    Examples
    --------
    >>> import latentknn as lk
    >>> similarities, ids = lk.cosine_search([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], [[3.0, 4.0]], k=2)
    >>> ids.tolist()
    [[1, 2]]
    """
    return CosineIndex.from_codes(codes, engine="cpu", threads=threads).search(queries, k)
