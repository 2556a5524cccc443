"""All training codes within a distance of each query, in the forms that scikit-learn's estimators give."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # SciPy is untyped
from sklearn.utils.validation import check_is_fitted

from latentknn.classification.searching import NeighbourSearch, check_mode
from latentknn.index import CosineIndex
from latentknn.index.range_results import RadiusResult
from latentknn.index.range_searching import MOST_RESULTS

_MARGIN = 2.0**-50
"""More than 1 - radius and 1 - similarity are rounded by, together."""


class Within(NamedTuple):
    """The codes within a radius; those of query q stand from ``indptr[q]`` up to ``indptr[q + 1]``."""

    indptr: NDArray[np.int64]
    distances: NDArray[np.float64]
    positions: NDArray[np.int64]

    def with_own_first(self) -> Within:
        """Return the same neighbours of training codes, with each code itself first, at distance 0."""
        count = len(self.indptr) - 1
        starts = self.indptr[:-1]
        return Within(
            self.indptr + np.arange(count + 1),
            np.insert(self.distances, starts, 0.0),
            np.insert(self.positions, starts, np.arange(count)),
        )

    def graph(self, mode: str, columns: int) -> csr_matrix:
        """Return the neighbours as a sparse matrix with a row for each query and a column for each code."""
        entries = np.ones(len(self.positions)) if mode == "connectivity" else self.distances
        return csr_matrix((entries, self.positions, self.indptr), shape=(len(self.indptr) - 1, columns))


class RadiusSearch(NeighbourSearch):
    """Mixin of estimators that find all of their training codes within a radius."""

    radius: float
    index_: CosineIndex

    def radius_neighbors(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> tuple[NDArray[Any], NDArray[Any]] | NDArray[Any]:
        """Return all training codes within a distance of every query.

        Parameters
        ----------
        X : array-like of shape (M, d) or None, default None
            Query codes, as for `fit`; None finds the neighbours of every training code among the others.
        radius : float or None, default None
            The largest distance, 1 - cosine similarity; None takes the parameter of the estimator. Codes at
            exactly this distance, as `kneighbors` returns it, are found.
        return_distance : bool, default True
            Whether the distances are returned too.
        sort_results : bool, default False
            Whether a query's neighbours are ordered by similarity, nearest first, and equally near ones by
            position; else they come in the order of their positions.

        Returns
        -------
        distances : ndarray of shape (M,), of ndarrays of float64
            1 - cosine similarity, in [0, 2], of each query's neighbours; only if `return_distance`.
        positions : ndarray of shape (M,), of ndarrays of int64
            Rows of the training data.

        Raises
        ------
        TypeError
            As `fit`, for the queries.
        ValueError
            If a query is invalid (the first is named), the radius is no number of at least 0, or more than
            2^26 codes are within it, all queries together.

        Examples
        --------
        >>> import latentknn as lk
        >>> neighbours = lk.CosineNeighbors(radius=0.3).fit([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> distances, positions = neighbours.radius_neighbors([[3.0, 4.0], [-1.0, 0.0]])
        >>> [found.tolist() for found in positions]
        [[1, 2], []]
        """
        found = self._within(X, radius, sort_results)
        positions = _ragged(found.positions, found.indptr)
        return (_ragged(found.distances, found.indptr), positions) if return_distance else positions

    def radius_neighbors_graph(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> csr_matrix:
        """Return all training codes within a distance of every query as a sparse matrix.

        Parameters
        ----------
        X, radius, sort_results
            Those of `radius_neighbors`. Estimators with ``metric="precomputed"`` want rows that are sorted.
        mode : {"connectivity", "distance"}, default "connectivity"
            Whether the entries are ones, or distances, which may be zero and are stored all the same.

        Returns
        -------
        csr_matrix of shape (M, n), float64

        Raises
        ------
        TypeError, ValueError
            As `radius_neighbors`, or for another mode.

        Examples
        --------
        >>> import latentknn as lk
        >>> neighbours = lk.CosineNeighbors(radius=0.3).fit([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> neighbours.radius_neighbors_graph().toarray().tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
        """
        check_mode(mode)
        return self._within(X, radius, sort_results).graph(mode, self.n_samples_fit_)

    def _within(self, X: ArrayLike | None, radius: float | None, sort: bool) -> Within:
        check_is_fitted(self)
        most = check_radius(self.radius if radius is None else radius)
        found = self._search_radius(self.index_.codes if X is None else self._checked_queries(X), most, sort)
        assert found.scores64 is not None
        distances = 1.0 - found.scores64
        # Differences are rounded, so that a threshold of the similarity alone would not tell which distances
        # are within the radius.
        chosen = distances <= most
        if X is None:
            chosen &= found.positions != np.repeat(np.arange(self.n_samples_fit_), np.diff(found.indptr))
        before = np.concatenate([[0], np.cumsum(chosen)])
        return Within(before[found.indptr], distances[chosen], found.positions[chosen])

    def _search_radius(self, queries: ArrayLike, radius: float, sort: bool) -> RadiusResult:
        """Find all codes within the radius, and perhaps some that are farther by a rounding."""
        lowest = max(-1.0, 1.0 - radius - _MARGIN)
        try:
            return self.index_.search_radius(
                queries, lowest, sort=sort, scores64=True, max_results=MOST_RESULTS
            )
        except ValueError:
            # Queries that are invalid raise once more.
            count = int(self.index_.count_within(queries, lowest).sum())
            if count <= MOST_RESULTS:
                raise
            raise ValueError(
                f"{count:,} codes are within the radius {radius} of the {np.shape(queries)[0]:,} queries, "
                f"more than {MOST_RESULTS:,}: ask for a smaller radius, or for fewer queries at a time"
            ) from None


def check_radius(radius: Any) -> float:
    """Return the radius as float, or raise ValueError unless it is a number of at least 0."""
    number = isinstance(radius, numbers.Real) and not isinstance(radius, bool | np.bool_)
    if not number or math.isnan(radius) or radius < 0:
        raise ValueError(f"radius must be a number of at least 0, received {radius!r}")
    return float(radius)


def _ragged(values: NDArray[Any], indptr: NDArray[np.int64]) -> NDArray[Any]:
    """Return an array of arrays, those that stand between one number of `indptr` and the next."""
    parts = np.empty(len(indptr) - 1, object)
    for number in range(len(parts)):
        parts[number] = values[indptr[number] : indptr[number + 1]]
    return parts
