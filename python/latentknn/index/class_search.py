"""Search among the codes of each class apart."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.engines import Database
from latentknn.engines.database import Answer


class ClassSearch:
    """One database a class, so that no search looks at the codes of another class.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float32
    ids : ndarray of shape (n,), int64
    labels : ndarray of shape (n,)
    make_database : callable
        Returns an empty database for the codes of a class.
    threads : int

    Attributes
    ----------
    classes : ndarray of shape (C,)
        The distinct labels, sorted.
    counts : ndarray of shape (C,), int64
        Codes of every class.
    """

    def __init__(
        self,
        codes: NDArray[np.float32],
        ids: NDArray[np.int64],
        labels: NDArray[Any],
        make_database: Callable[[], Database],
        threads: int,
    ) -> None:
        self.classes, class_of_row, self.counts = np.unique(labels, return_inverse=True, return_counts=True)
        by_class = np.argsort(class_of_row, kind="stable")
        self._rows = np.split(by_class, np.cumsum(self.counts)[:-1])
        self._databases = []
        for rows in self._rows:
            database = make_database()
            database.add(codes[rows], ids[rows], threads)
            self._databases.append(database)

    def search(self, queries: list[NDArray[Any]], k: int, threads: int, scores64: bool) -> Answer:
        """Find the k nearest codes of every class.

        Parameters
        ----------
        queries : list of C ndarrays of shape (M, d)
            What to look for in every class.
        k : int
            Neighbours a query and class, at most the codes of the smallest class.
        threads : int
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        tuple of ndarray of shape (C, M, k)
            Similarities, positions among all codes, ids, and float64 similarities or None.

        Raises
        ------
        ValueError
            For a query with NaN or infinity; the class and the first bad row are named.
        """
        answers = []
        for name, database, rows in zip(self.classes.tolist(), self._databases, queries, strict=True):
            try:
                answers.append(database.search(rows, k, None, threads, scores64))
            except ValueError as error:
                raise ValueError(f"searching class {name!r}: {error}") from error
        similarities, positions, ids, scores = zip(*answers, strict=True)
        among_all = [rows[found] for rows, found in zip(self._rows, positions, strict=True)]
        return (
            np.stack(similarities),
            np.stack(among_all),
            np.stack(ids),
            np.stack(scores) if scores64 else None,
        )


def nearest_of_all(
    scores: NDArray[np.float64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Merge the neighbours of all classes.

    Parameters
    ----------
    scores : ndarray of shape (C, M, k), float64
        Similarities of each query's k nearest codes of every class.
    ids : ndarray of shape (C, M, k), int64
        Their ids.

    Returns
    -------
    scores : ndarray of shape (M, k)
        Similarities of the k nearest codes of any class, in the order of a search: by similarity,
        descending, then by id, ascending.
    classes : ndarray of shape (M, k), intp
        The class of each, in [0, C).
    """
    count, _, k = scores.shape
    all_scores, all_ids = (np.concatenate(list(part), axis=1) for part in (scores, ids))
    first = np.lexsort((all_ids, -all_scores), axis=-1)[:, :k]
    return np.take_along_axis(all_scores, first, axis=1), np.repeat(np.arange(count), k)[first]
