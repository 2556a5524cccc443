"""The codes of each class apart, and searches among them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array
from latentknn.arrays import as_rows
from latentknn.engines import Database
from latentknn.engines.database import NO_ROW, Answer
from latentknn.index.labelled_rows import LabelledRows


class ClassSearch:
    """One database a class, so that no search looks at the codes of another class.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float32
    rows : LabelledRows
        Their ids and labels.
    make_database : callable
        Returns an empty database for the codes of a class.
    threads : int

    Raises
    ------
    ValueError
        If the rows have no labels.

    Attributes
    ----------
    rows : LabelledRows
        As given.
    classes : ndarray of shape (C,)
        The distinct labels, sorted.
    counts : ndarray of shape (C,), int64
        Codes of every class.
    """

    def __init__(
        self,
        codes: NDArray[np.float32],
        rows: LabelledRows,
        make_database: Callable[[], Database],
        threads: int,
    ) -> None:
        self.rows = rows
        self.classes, class_of_row, self.counts = np.unique(
            rows.required_labels(), return_inverse=True, return_counts=True
        )
        by_class = np.argsort(class_of_row, kind="stable")
        self._positions = np.split(by_class, np.cumsum(self.counts)[:-1])
        self._databases = []
        ids = rows.ids
        for positions in self._positions:
            database = make_database()
            database.add(codes[positions], ids[positions], threads)
            self._databases.append(database)

    def smallest(self) -> tuple[int, Any]:
        """Return how many codes the smallest class has, and its label."""
        number = int(self.counts.argmin())
        return int(self.counts[number]), self.classes.tolist()[number]

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
        answers = [
            self.search_class(number, rows, k, threads, scores64) for number, rows in enumerate(queries)
        ]
        similarities, positions, ids, scores = zip(*answers, strict=True)
        return (
            np.stack(similarities),
            np.stack(positions),
            np.stack(ids),
            np.stack(scores) if scores64 else None,
        )

    def search_class(
        self,
        number: int,
        queries: NDArray[Any],
        k: int,
        threads: int,
        scores64: bool,
        at_least: NDArray[np.float64] | None = None,
    ) -> Answer:
        """Find the k nearest codes of one class.

        Parameters
        ----------
        number : int
            Which class of `classes`.
        queries : ndarray of shape (M, d)
        k : int
            At most the codes of the class.
        threads : int
        scores64 : bool
            Whether to return the float64 similarities too.
        at_least : ndarray of shape (M,), float64, optional
            Similarities that neighbours have at least.

        Returns
        -------
        tuple of ndarray of shape (M, k)
            Similarities, positions among all codes, ids, and float64 similarities or None.

        Raises
        ------
        ValueError
            For a query with NaN or infinity; the class and the first bad row are named.
        """
        try:
            answer = self._databases[number].search(queries, k, None, threads, scores64, at_least)
        except ValueError as error:
            raise ValueError(f"searching class {self.classes.tolist()[number]!r}: {error}") from error
        similarities, found, ids, scores = answer
        positions = np.where(found == NO_ROW, NO_ROW, self._positions[number][found])
        return similarities, positions, ids, scores


def queries_of_classes(queries: ArrayLike, dim: int, classes: NDArray[Any]) -> list[NDArray[Any]]:
    """Return what to look for in every class, each of shape (M, dim).

    Parameters
    ----------
    queries : array-like of shape (M, dim), or (C, M, dim)
        As `CosineIndex.search_per_class` takes them.
    dim : int
    classes : ndarray of shape (C,)

    Raises
    ------
    TypeError, ValueError
        As `CosineIndex.search_per_class`, for their type and shape.
    """
    if np.ndim(queries) != 3:
        return [as_rows(queries, "queries", dim)] * len(classes)
    array = as_array(queries, "queries")
    if len(array) != len(classes):
        raise ValueError(
            f"queries of shape {array.shape} hold {len(array)} encodings of each, expected one for each "
            f"of the {len(classes)} classes"
        )
    return [
        as_rows(rows, f"queries of class {label!r}", dim)
        for label, rows in zip(classes.tolist(), array, strict=True)
    ]


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
