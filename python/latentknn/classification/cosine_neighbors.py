"""Neighbours without labels, as an estimator of scikit-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # SciPy is untyped
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from latentknn.array_likes import for_scikit_learn
from latentknn.classification.base import check_neighbour_count
from latentknn.classification.radius import RadiusSearch, check_radius
from latentknn.classification.searching import VALIDATION, check_mode, graph_of
from latentknn.engines import EngineLike


class CosineNeighbors(
    RadiusSearch,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]  # scikit-learn is untyped
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Find the most cosine-similar training codes, and give them as graphs to other estimators.

    The neighbours are exact and the same to the bit on any machine; see `CosineIndex`. As a transformer, in
    place of `sklearn.neighbors.KNeighborsTransformer` or `RadiusNeighborsTransformer`, it gives the graph
    that estimators with ``metric="precomputed"`` take: t-SNE, DBSCAN, Isomap and others.

    Parameters
    ----------
    n_neighbors : int or None, default 5
        Number of neighbours. None: `transform` gives all within `radius`, and `kneighbors` wants a number.
    mode : {"distance", "connectivity"}, default "distance"
        Entries of the graph that `transform` returns: distances, or ones.
    radius : float, default 1.0
        The distance, 1 - cosine similarity, up to which `radius_neighbors` finds codes.
    engine : str, CudaEngine or FaissEngine, default "auto"
        Engine of the index, read by `fit`; see `CosineIndex`.
    n_jobs : int or None, default None
        Threads of the index, read by `fit`; see `CosineKNNClassifier`.

    Attributes
    ----------
    index_ : CosineIndex
        The training codes.
    n_features_in_ : int
        Dimension of the codes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if `fit` was given a data frame whose column names are all strings.
    n_samples_fit_ : int
        Number of training codes, n.

    Examples
    --------
    >>> import latentknn as lk
    >>> neighbours = lk.CosineNeighbors(n_neighbors=2).fit([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> distances, positions = neighbours.kneighbors([[3.0, 4.0]])
    >>> positions.tolist(), distances.round(2).tolist()
    ([[1, 2]], [[0.01, 0.2]])

    A graph of neighbours for t-SNE, which wants three times its perplexity of them:

    >>> from sklearn.manifold import TSNE
    >>> from sklearn.pipeline import make_pipeline
    >>> places = make_pipeline(
    ...     lk.CosineNeighbors(n_neighbors=91), TSNE(metric="precomputed", init="random", random_state=0)
    ... )

    A graph of all neighbours that DBSCAN looks at:

    >>> from sklearn.cluster import DBSCAN
    >>> clusters = make_pipeline(
    ...     lk.CosineNeighbors(None, radius=0.05), DBSCAN(eps=0.05, metric="precomputed", min_samples=2)
    ... )
    >>> clusters.fit_predict([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]).tolist()
    [0, 0, 1, 1]
    """

    n_neighbors: int | None  # type: ignore[assignment]  # estimators that vote always have a number

    def __init__(
        self,
        n_neighbors: int | None = 5,
        *,
        mode: str = "distance",
        radius: float = 1.0,
        engine: EngineLike = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.radius = radius
        self.engine = engine
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the training codes.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes: bool, integers or floats of any width, rounded once to float32.
        y : object
            Not used.

        Returns
        -------
        CosineNeighbors
            The estimator itself.

        Raises
        ------
        TypeError
            If `X` is sparse, or holds strings or complex numbers.
        ValueError
            If a parameter is out of its range, a row is invalid (the first is named) or values are masked.
        """
        if self.n_neighbors is not None:
            check_neighbour_count(self.n_neighbors)
        check_mode(self.mode)
        check_radius(self.radius)
        self._fit_codes(validate_data(self, for_scikit_learn(X, "codes"), **VALIDATION))
        return self

    def transform(self, X: ArrayLike) -> csr_matrix:
        """Return a graph of the queries' nearest training codes.

        Parameters
        ----------
        X : array-like of shape (M, d)
            Query codes, as for `fit`.

        Returns
        -------
        csr_matrix of shape (M, n), float64
            As `kneighbors_graph` returns it; with ``mode="distance"`` of one neighbour more, because a
            training code is its own nearest, which estimators leave out. Without `n_neighbors` as
            `radius_neighbors_graph` returns it, sorted.

        Raises
        ------
        TypeError, ValueError
            As `kneighbors` and `radius_neighbors`.
        """
        check_is_fitted(self)
        if self.n_neighbors is None:
            return self.radius_neighbors_graph(X, mode=self.mode, sort_results=True)
        return self.kneighbors_graph(X, self._graph_neighbours(), self.mode)

    def fit_transform(self, X: ArrayLike, y: object = None) -> csr_matrix:
        """Keep the training codes, and return a graph of each one's neighbours, itself first at distance 0.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes, as for `fit`.
        y : object
            Not used.

        Returns
        -------
        csr_matrix of shape (n, n), float64
            As `transform` returns it; but a code that has many copies is among its own neighbours too.

        Raises
        ------
        TypeError, ValueError
            As `fit`, `kneighbors` and `radius_neighbors`.
        """
        self.fit(X)
        if self.n_neighbors is None:
            found = self._within(None, self.radius, True).with_own_first()
            return found.graph(self.mode, self.n_samples_fit_)
        others = self._graph_neighbours() - 1
        own = np.arange(self.n_samples_fit_)[:, np.newaxis]
        if others == 0:
            return graph_of(np.zeros(own.shape), own, self.n_samples_fit_, self.mode)
        distances, positions = self.kneighbors(None, others)
        return graph_of(
            np.hstack([np.zeros(own.shape), distances]),
            np.hstack([own, positions]),
            self.n_samples_fit_,
            self.mode,
        )

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def _graph_neighbours(self) -> int:
        assert self.n_neighbors is not None
        return self.n_neighbors + (self.mode == "distance")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
