"""Exact cosine k-nearest-neighbour regression as a scikit-learn estimator."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from latentknn.array_likes import as_array, for_scikit_learn
from latentknn.classification.base import check_neighbour_count
from latentknn.classification.searching import VALIDATION, NeighbourSearch
from latentknn.classification.vote import Weights, check_weights, vote_of, weigh_counted
from latentknn.engines import EngineLike


class CosineKNNRegressor(
    NeighbourSearch,
    MultiOutputMixin,  # type: ignore[misc]  # scikit-learn is untyped
    RegressorMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Predict numbers by the weighted mean of the most cosine-similar training codes.

    The neighbours are exact and the same to the bit on any machine; see `CosineIndex`.

    Parameters
    ----------
    n_neighbors : int, default 5
        Number of neighbours.
    weights : {"uniform", "similarity", "softmax", "distance"} or callable, default "uniform"
        Weight of a neighbour; see `CosineKNNClassifier`.
    temperature : float, default 0.07
        Temperature of ``weights="softmax"``.
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
    >>> codes, angles = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [0.0, 45.0, 90.0]
    >>> lk.CosineKNNRegressor(n_neighbors=2).fit(codes, angles).predict([[1.0, 5.0]]).tolist()
    [67.5]
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Weights = "uniform",
        temperature: float = 0.07,
        engine: EngineLike = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.temperature = temperature
        self.engine = engine
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the training codes and their targets.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes: bool, integers or floats of any width, rounded once to float32.
        y : array-like of shape (n,) or (n, outputs)
            Targets.
        sample_weight : array-like of shape (n,), optional
            As how many codes each counts; see `CosineKNNClassifier.fit`.

        Returns
        -------
        CosineKNNRegressor
            The regressor itself.

        Raises
        ------
        TypeError
            If `X` is sparse, or holds strings or complex numbers.
        ValueError
            If a parameter is out of its range, a row is invalid (the first is named), values are masked, or
            `y` is missing, of another length, or not finite, or a weight is negative.
        """
        check_neighbour_count(self.n_neighbors)
        check_weights(self.weights, self.temperature)
        given = None if y is None else as_array(y, "targets")
        codes, targets = validate_data(
            self, for_scikit_learn(X, "codes"), given, multi_output=True, y_numeric=True, **VALIDATION
        )
        self._fit_codes(codes, sample_weight)
        self._targets = np.array(targets, np.float64)
        return self

    def predict(self, X: ArrayLike | None) -> NDArray[np.float64]:
        """Return the weighted mean of the targets of every query's neighbours.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            Query codes, as for `fit`; None predicts for every training code by the others.

        Returns
        -------
        ndarray of shape (M,) or (M, outputs), float64

        Raises
        ------
        ValueError
            If a query is invalid (the first is named), or `n_neighbors` is above the number of training codes
            (less one for `X` = None).
        """
        found, counts = self._voters(X)
        vote = vote_of(self.n_neighbors, self.weights, self.temperature)
        weights = vote.weigh(found.scores) if counts is None else weigh_counted(vote, found.scores, counts)
        weights = weights / weights.sum(axis=1, keepdims=True)
        means: NDArray[np.float64] = np.einsum("mk,mk...->m...", weights, self._targets[found.positions])
        return means
