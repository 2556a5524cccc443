"""Nearest-neighbour classification of codes that depend on a class."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from latentknn.array_likes import as_array
from latentknn.classification.base import NeighbourClassifier, thread_count
from latentknn.classification.neighbours import Neighbours
from latentknn.index import CosineIndex
from latentknn.index.class_search import nearest_of_all
from latentknn.labels import as_labels


class ClassConditionalKNNClassifier(NeighbourClassifier):
    """Classify queries that a conditional model has encoded once for every class.

    A query's encoding under a class is compared with the training codes of that class alone. The nearest
    neighbours of all classes together vote: with one neighbour, the class wins under which the query is most
    similar to a training code. `CosineKNNClassifier` says how ties between classes are decided.

    Parameters
    ----------
    n_neighbors : int, default 1
        Number of neighbours that vote, at most the training codes of the smallest class.
    weights : {"uniform", "similarity", "softmax", "distance"} or callable, default "uniform"
        Weight of a neighbour's vote; see `CosineKNNClassifier`.
    temperature : float, default 0.07
        Temperature of ``weights="softmax"``.
    engine : str, CudaEngine or FaissEngine, default "auto"
        Engine of the index, read by `fit`.
    n_jobs : int or None, default None
        Threads of the index, read by `fit`; see `CosineKNNClassifier`.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The labels seen by `fit`, sorted; `predict` takes encodings in this order.
    index_ : CosineIndex
        The training codes with their labels.
    n_features_in_ : int
        Dimension of the codes.

    Examples
    --------
    >>> import latentknn as lk
    >>> clf = lk.ClassConditionalKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
    >>> under_right, under_up = [[3.0, 4.0]], [[1.0, 9.0]]
    >>> clf.predict([under_right, under_up]).tolist()
    ['up']
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Keep the training codes, each encoded under its own class.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes.
        y : array-like of shape (n,)
            Labels: integers, strings or booleans.

        Returns
        -------
        ClassConditionalKNNClassifier
            The classifier itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter is out of its range, a row is invalid (the first is named), or `y` is of another
            length or continuous.
        """
        self._check_voting()
        labels = as_labels(y, len(as_array(y, "labels")))
        check_classification_targets(labels)
        self._build_index(X, labels)
        self.classes_ = self.index_.classes
        self.n_features_in_ = self.index_.dim
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of every query.

        Parameters
        ----------
        X : array-like of shape (C, M, d)
            Every query encoded under every class, in the order of `classes_`, as ``encode_per_class`` of a
            conditional model returns it. (M, d) stands for C equal encodings.

        Returns
        -------
        ndarray of shape (M,)
            Labels, of the dtype of `classes_`.

        Raises
        ------
        TypeError, ValueError
            See `CosineIndex.search_per_class`.
        """
        neighbours = self._neighbours(X)
        winners: NDArray[Any] = self.classes_[neighbours.predict(self._vote())]
        return winners

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the share of each class in the votes for every query.

        Parameters
        ----------
        X : array-like of shape (C, M, d)
            Query codes, as for `predict`.

        Returns
        -------
        ndarray of shape (M, C), float64
            Shares that add up to 1 in every row; the columns are in the order of `classes_`. If several
            classes have the most votes, `predict` takes the one whose nearest neighbour comes first, and
            ``argmax`` the first column.

        Raises
        ------
        TypeError, ValueError
            See `predict`.
        """
        return self._neighbours(X).shares(self._vote())

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "index_" in state:
            # The machine that loads the pickle decides on threads and kernels.
            state["index_"] = (state["index_"].codes, state["index_"].labels)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "index_" in state:
            self._build_index(*state["index_"])

    def _build_index(self, codes: ArrayLike, labels: ArrayLike) -> None:
        threads = thread_count(self.n_jobs)
        self.index_ = CosineIndex.from_codes(codes, labels, engine=self.engine, threads=threads)

    def _neighbours(self, X: ArrayLike) -> Neighbours:
        check_is_fitted(self)
        found = self.index_.search_per_class(X, self.n_neighbors, scores64=True)
        scores, classes = nearest_of_all(found.scores, found.ids)
        return Neighbours(scores, classes, len(self.classes_))
