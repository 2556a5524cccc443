"""What the estimators have in common that search for neighbours among training codes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # SciPy is untyped
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from latentknn.array_likes import for_scikit_learn
from latentknn.classification.base import check_neighbour_count, thread_count
from latentknn.engines import EngineLike
from latentknn.engines.stored_database import others_alone
from latentknn.index import CosineIndex, SearchResult

VALIDATION: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}
"""scikit-learn checks the shape and the feature names; the index checks the values and rounds them once."""


_ROUNDING = 1e-9
"""Sums of weights are compared up to this share, so that ten of 0.1 count as one."""


class SearchedIndex(Protocol):
    """What `CosineKNNClassifier.from_index` asks."""

    @property
    def dim(self) -> int:
        """Dimensions of a code."""

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, in order of position, or None."""

    def search(
        self, queries: ArrayLike, k: int, *, allowed: ArrayLike | None = None, scores64: bool
    ) -> SearchResult:
        """Find each query's k most similar codes."""

    def search_self(self, k: int, *, scores64: bool) -> SearchResult:
        """Find the k most similar other codes of every code."""


class NeighbourSearch:
    """Mixin of estimators that search among their training codes, or in an index that they were given."""

    n_neighbors: int
    engine: EngineLike
    n_jobs: int | None
    index_: SearchedIndex
    n_samples_fit_: int
    _of_index = False
    # As how many codes each training code counts; None where each is one.
    _counts: NDArray[np.float64] | None = None

    def kneighbors(
        self, X: ArrayLike | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | NDArray[np.int64]:
        """Return the nearest training codes of every query, nearest first.

        Parameters
        ----------
        X : array-like of shape (M, d) or None, default None
            Query codes, as for `fit`; None finds the neighbours of every training code among the others.
        n_neighbors : int or None, default None
            Number of neighbours, k; None takes the parameter of the estimator.
        return_distance : bool, default True
            Whether the distances are returned too.

        Returns
        -------
        distances : ndarray of shape (M, k), float64
            1 - cosine similarity, in [0, 2]; only if `return_distance`.
        positions : ndarray of shape (M, k), int64
            Rows of the training data.

        Raises
        ------
        ValueError
            If a query is invalid (the first is named), or k is above the number of training codes (less one
            for `X` = None).
        """
        result = self._search(X, self.n_neighbors if n_neighbors is None else n_neighbors)
        if return_distance:
            return 1.0 - result.scores, result.positions
        return result.positions

    def kneighbors_graph(
        self, X: ArrayLike | None = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> csr_matrix:
        """Return the nearest training codes of every query as a sparse matrix.

        Parameters
        ----------
        X : array-like of shape (M, d) or None, default None
            Query codes, as for `fit`; None finds the neighbours of every training code among the others.
        n_neighbors : int or None, default None
            Number of neighbours, k; None takes the parameter of the estimator.
        mode : {"connectivity", "distance"}, default "connectivity"
            Whether the entries are ones, or distances, which may be zero and are stored all the same.

        Returns
        -------
        csr_matrix of shape (M, n), float64
            k entries in every row, nearest first.

        Raises
        ------
        ValueError
            As `kneighbors`, or for another mode.

        Examples
        --------
        >>> import latentknn as lk
        >>> neighbours = lk.CosineNeighbors(n_neighbors=1).fit([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
        >>> neighbours.kneighbors_graph().toarray().tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        """
        check_mode(mode)
        distances, positions = self.kneighbors(X, n_neighbors)
        return graph_of(distances, positions, self.n_samples_fit_, mode)

    def __getstate__(self) -> dict[str, Any]:
        estimator: Any = super()
        state: dict[str, Any] = dict(estimator.__getstate__())
        if "index_" in state and not self._of_index:
            # The machine that loads the pickle decides on threads and kernels.
            state["index_"] = state["index_"].codes
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        estimator: Any = super()
        estimator.__setstate__(state)
        # Pickles of older versions say nothing of it.
        self._of_index = state.get("_of_index", False)
        if "index_" in state and not self._of_index:
            self._build_index(state["index_"])

    def _build_index(self, codes: NDArray[Any]) -> None:
        threads = thread_count(self.n_jobs)
        self.index_ = CosineIndex.from_codes(codes, engine=self.engine, threads=threads)

    def _fit_codes(self, codes: NDArray[Any], sample_weight: ArrayLike | None = None) -> None:
        """Keep training codes, which scikit-learn has checked, and as how many each counts."""
        counts = None
        if sample_weight is not None:
            counts = _check_sample_weight(sample_weight, codes, dtype=np.float64, copy=True)
            if not (counts >= 0).all():
                raise ValueError(f"sample_weight must be at least 0, received {counts[~(counts >= 0)][0]}")
        self._build_index(codes)
        self._of_index = False
        self._counts = counts
        self.n_samples_fit_ = len(codes)

    def _voters(self, X: ArrayLike | None) -> tuple[SearchResult, NDArray[np.float64] | None]:
        """Return every query's neighbours, as many as count as `n_neighbors`, and as how many each counts."""
        if self._counts is None:
            return self._search(X, self.n_neighbors), None
        check_is_fitted(self)
        check_neighbour_count(self.n_neighbors)
        allowed = self._counts > 0
        # A code does not count for itself.
        itself = int(X is None)
        available = int(np.count_nonzero(allowed)) - itself
        total = float(self._counts.sum() - itself * self._counts.max(initial=0.0))
        needed = self.n_neighbors * (1.0 - _ROUNDING)
        if needed > total or available < 1:
            raise ValueError(
                f"n_neighbors is {self.n_neighbors}, but the weights of the codes add up to {total}: ask for "
                "fewer neighbours or fit with larger weights"
            )
        asked = min(self.n_neighbors, available)
        while True:
            found = self._search_others(asked, allowed) if X is None else self._search(X, asked, allowed)
            counts = self._counts[found.positions]
            if asked == available or (counts.sum(axis=1) >= needed).all():
                return found, counts
            asked = min(2 * asked, available)

    def _search_others(self, k: int, allowed: NDArray[np.bool_]) -> SearchResult:
        """Find for every training code its neighbours among those of the others that are allowed."""
        assert isinstance(self.index_, CosineIndex)
        found = self.index_.search(self.index_.codes, k + 1, allowed=allowed, scores64=True)
        answer = (found.similarities, found.positions, found.ids, found.scores64)
        similarities, positions, ids, scores = others_alone(answer, np.arange(self.n_samples_fit_))
        return SearchResult(similarities, ids, positions, scores)

    def _search(self, X: ArrayLike | None, k: int, allowed: NDArray[np.bool_] | None = None) -> SearchResult:
        check_is_fitted(self)
        check_neighbour_count(k)
        available = self.n_samples_fit_ - (X is None)
        if k > available:
            others = " other than each itself" if X is None else ""
            raise ValueError(
                f"n_neighbors is {k}, but the estimator was fitted on {available} codes{others}: "
                "ask for fewer neighbours or fit on more codes"
            )
        if X is None:
            return self.index_.search_self(k, scores64=True)
        queries = self._checked_queries(X)
        if allowed is None:
            return self.index_.search(queries, k, scores64=True)
        return self.index_.search(queries, k, allowed=allowed, scores64=True)

    def _checked_queries(self, X: ArrayLike) -> Any:
        """Return queries whose shape and feature names scikit-learn has checked."""
        given = for_scikit_learn(X, "queries")
        return validate_data(self, given, reset=False, ensure_min_samples=0, **VALIDATION)


def check_mode(mode: str) -> None:
    """Raise ValueError for entries that no graph of neighbours has."""
    if mode not in ("connectivity", "distance"):
        raise ValueError(f"mode must be 'connectivity' or 'distance', received {mode!r}")


def graph_of(
    distances: NDArray[np.float64], positions: NDArray[np.int64], count: int, mode: str
) -> csr_matrix:
    """Return neighbours (M, k) as a sparse matrix (M, count)."""
    queries, k = positions.shape
    entries = np.ones(positions.size) if mode == "connectivity" else np.array(distances).ravel()
    return csr_matrix((entries, positions.ravel(), np.arange(queries + 1) * k), shape=(queries, count))
