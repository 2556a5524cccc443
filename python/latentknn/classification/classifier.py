"""Exact cosine k-nearest-neighbour classification as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from latentknn.array_likes import for_scikit_learn
from latentknn.classification.base import NeighbourClassifier, check_neighbour_count
from latentknn.classification.neighbours import Neighbours
from latentknn.index import CosineIndex, SearchResult
from latentknn.labels import labels_for_scikit_learn

# scikit-learn checks the shape and the feature names; the index checks the values and rounds them once.
_VALIDATION: dict[str, Any] = {"dtype": None, "ensure_all_finite": False}


class SearchedIndex(Protocol):
    """What `CosineKNNClassifier.from_index` asks."""

    @property
    def dim(self) -> int:
        """Dimensions of a code."""

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, in order of position, or None."""

    def search(self, queries: ArrayLike, k: int, *, scores64: bool) -> SearchResult:
        """Find each query's k most similar codes."""

    def search_self(self, k: int, *, scores64: bool) -> SearchResult:
        """Find the k most similar other codes of every code."""


class CosineKNNClassifier(NeighbourClassifier):
    """Classify codes by the votes of their most cosine-similar neighbours.

    The neighbours are exact and the same to the bit on any machine; see `CosineIndex`. Of classes with
    equally many votes, the one wins whose nearest voting neighbour comes first in the order of the search
    (similarity descending, then row of the training data ascending). `predict_proba` gives such classes equal
    shares, and ``argmax`` of them is the first in `classes_`. With two neighbours this differs from `predict`
    for many queries.

    Parameters
    ----------
    n_neighbors : int, default 1
        Number of neighbours that vote.
    weights : {"uniform", "similarity", "softmax"}, default "uniform"
        Weight of a neighbour's vote, s being its similarity: 1; max(s, 0), or 1 where that is zero for every
        neighbour of the query; exp((s - max s) / temperature).
    temperature : float, default 0.07
        Temperature of ``weights="softmax"``, in units of cosine similarity; the other weights do not use it.
    engine : str, CudaEngine or FaissEngine, default "auto"
        Engine of the index, read by `fit`; see `CosineIndex`.
    n_jobs : int or None, default None
        Threads of the index, read by `fit`: None leaves the number to the index (every core that the process
        may use), otherwise scikit-learn's convention holds (-1 is every core, -2 every core but one). The
        number changes no result.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        The labels seen by `fit`, sorted.
    index_ : CosineIndex
        The training codes; or the index that `from_index` was given, of a cluster bound to its generation.
    n_features_in_ : int
        Dimension of the codes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if `fit` was given a data frame whose column names are all strings.
    n_samples_fit_ : int
        Number of training codes, n.

    Notes
    -----
    Softmax votes are those of Wu, Xiong, Yu and Lin, "Unsupervised Feature Learning via Non-Parametric
    Instance Discrimination", CVPR 2018, which also proposes the temperature 0.07.

    Examples
    --------
    >>> import latentknn as lk
    >>> clf = lk.CosineKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
    >>> clf.predict([[5.0, 1.0]]).tolist()
    ['right']
    """

    index_: SearchedIndex
    _of_index = False

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Keep the training codes and their labels.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes: bool, integers or floats of any width, rounded once to float32.
        y : array-like of shape (n,)
            Labels: integers, strings or booleans.

        Returns
        -------
        CosineKNNClassifier
            The classifier itself.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a row is invalid (the first is named), values are masked, or
            `y` is missing, of another length, continuous, or lacks a label (the first is named).
        TypeError
            If `X` is sparse, or holds strings or complex numbers, or `y` holds numbers and strings.
        """
        self._check_voting()
        labels = None if y is None else labels_for_scikit_learn(y)
        codes, labels = validate_data(self, for_scikit_learn(X, "codes"), labels, **_VALIDATION)
        check_classification_targets(labels)
        self._of_index = False
        self._build_index(codes)
        self.n_samples_fit_ = len(codes)
        self.classes_, self._class_of_row = np.unique(labels, return_inverse=True)
        return self

    @classmethod
    def from_index(
        cls,
        index: SearchedIndex,
        n_neighbors: int = 1,
        *,
        weights: str = "uniform",
        temperature: float = 0.07,
    ) -> Self:
        """Return a classifier that asks an index, whose codes are not copied.

        Parameters
        ----------
        index : CosineIndex, ShardedIndex or DistributedIndex
            With labels: integers, strings or booleans. It must not change while it is used. A
            DistributedIndex is bound to the generation that it serves, and raises GenerationError after
            another one was published.
        n_neighbors : int, default 1
            Number of neighbours that vote.
        weights : {"uniform", "similarity", "softmax"}, default "uniform"
            Weight of a neighbour's vote.
        temperature : float, default 0.07
            Temperature of ``weights="softmax"``.

        Returns
        -------
        CosineKNNClassifier
            As `fit` would return it for the same codes and labels; equal similarities are in the order of the
            index's ids. `engine` and `n_jobs` are those of the index. Memory: one number a code for its
            class, of 1 byte for up to 256 classes. `fit` and `sklearn.base.clone` leave the index.

        Raises
        ------
        TypeError
            For something that is no index.
        ValueError
            For an index without labels or codes, or with continuous ones, or a parameter out of its range.

        Examples
        --------
        >>> import latentknn as lk
        >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
        >>> lk.CosineKNNClassifier.from_index(index).predict([[5.0, 1.0]]).tolist()
        ['right']
        """
        if isinstance(index, type) or not hasattr(index, "search_self"):
            raise TypeError(f"from_index takes an index, received {index!r}; pass codes and labels to fit()")
        classifier = cls(n_neighbors, weights=weights, temperature=temperature)
        classifier._check_voting()
        if hasattr(index, "pinned"):
            # The classes of the rows are those of one generation.
            index = index.pinned()
        labels = index.labels
        if labels is None or len(labels) == 0:
            raise ValueError("the index has no labels; make it of codes with labels=")
        check_classification_targets(labels)
        classifier.index_ = index
        classifier.n_samples_fit_ = len(labels)
        classifier.n_features_in_ = index.dim
        classifier.classes_, class_of_row = np.unique(labels, return_inverse=True)
        classifier._class_of_row = class_of_row.astype(np.min_scalar_type(len(classifier.classes_) - 1))
        classifier._of_index = True
        return classifier

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of every query; the nearest neighbour decides between equal votes.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            Query codes, as for `fit`; None classifies every training code by the others.

        Returns
        -------
        ndarray of shape (M,)
            Labels, of the dtype of `classes_`.

        Raises
        ------
        ValueError
            If a query is invalid (the first is named), or `n_neighbors` is above the number of training codes
            (less one for `X` = None).
        """
        return self._winners(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the share of each class in the votes for every query.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            See `predict`.

        Returns
        -------
        ndarray of shape (M, C), float64
            Shares that add up to 1 in every row; the columns are in the order of `classes_`. If several
            classes have the most votes, `predict` takes the one whose nearest neighbour comes first, and
            ``argmax`` the first column.

        Raises
        ------
        ValueError
            See `predict`.
        """
        return self._shares(X)

    def kneighbors(
        self, X: ArrayLike | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | NDArray[np.int64]:
        """Return the nearest training codes of every query, nearest first.

        Parameters
        ----------
        X : array-like of shape (M, d) or None, default None
            Query codes, as for `fit`; None finds the neighbours of every training code among the others.
        n_neighbors : int or None, default None
            Number of neighbours, k; None takes the parameter of the classifier.
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

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "index_" in state and not self._of_index:
            # The machine that loads the pickle decides on threads and kernels.
            state["index_"] = state["index_"].codes
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Pickles of older versions say nothing of it.
        self._of_index = state.get("_of_index", False)
        if "index_" in state and not self._of_index:
            self._build_index(state["index_"])

    def _build_index(self, codes: NDArray[Any]) -> None:
        self.index_ = CosineIndex.from_codes(codes, engine=self.engine, threads=self._threads())

    def _search(self, X: ArrayLike | None, k: int) -> SearchResult:
        check_is_fitted(self)
        check_neighbour_count(k)
        available = self.n_samples_fit_ - (X is None)
        if k > available:
            others = " other than each itself" if X is None else ""
            raise ValueError(
                f"n_neighbors is {k}, but the classifier was fitted on {available} codes{others}: "
                "ask for fewer neighbours or fit on more codes"
            )
        if X is None:
            return self.index_.search_self(k, scores64=True)
        given = for_scikit_learn(X, "queries")
        queries = validate_data(self, given, reset=False, ensure_min_samples=0, **_VALIDATION)
        return self.index_.search(queries, k, scores64=True)

    def _neighbours(self, X: ArrayLike) -> Neighbours:
        found = self._search(X, self.n_neighbors)
        return Neighbours(found.scores, self._class_of_row[found.positions], len(self.classes_))
