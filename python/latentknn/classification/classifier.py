"""Exact cosine k-nearest-neighbour classification as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from latentknn.array_likes import for_scikit_learn
from latentknn.classification.answering import AnsweringClassifier
from latentknn.classification.searching import VALIDATION, SearchedIndex
from latentknn.classification.vote import Weights
from latentknn.index import CosineIndex
from latentknn.labels import as_labels, join_labels, labels_for_scikit_learn


class CosineKNNClassifier(AnsweringClassifier):
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
    weights : {"uniform", "similarity", "softmax", "distance"} or callable, default "uniform"
        Weight of a neighbour's vote, s being its similarity: 1; max(s, 0), or 1 where that is zero for every
        neighbour of the query; exp((s - max s) / temperature); 1 / (1 - s), or where that is infinite for
        some neighbours of the query, 1 for these and 0 for the others. A function gets the distances 1 - s,
        shape (M, k), and returns weights of the same shape, none of them negative; where all of a query are
        zero, they count as 1.
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
    classes_ : ndarray of shape (C,), or a list of one for each output
        The labels seen by `fit`, sorted.
    index_ : CosineIndex
        The training codes; or the index that `from_index` was given, of a cluster bound to its generation.
    n_features_in_ : int
        Dimension of the codes.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if `fit` was given a data frame whose column names are all strings.
    n_samples_fit_ : int
        Number of training codes, n.
    calibration_ : ThresholdCalibration or None
        What `calibrate` found last. `fit` forgets it; `partial_fit` does not.

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

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the training codes and their labels.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes: bool, integers or floats of any width, rounded once to float32.
        y : array-like of shape (n,) or (n, outputs)
            Labels: integers, strings or booleans. In two dimensions, those of several questions, or flags of
            labels of which a code may have any number; each column is voted on by itself.
        sample_weight : array-like of shape (n,), optional
            As how many codes each counts: one of weight 2 is two copies of it, both as neighbours and in
            votes, and one of weight 0 is none. Where the weights are fractions, of the farthest neighbour so
            much is counted that there are `n_neighbors`. `kneighbors` counts every code once.

        Returns
        -------
        CosineKNNClassifier
            The classifier itself.

        Raises
        ------
        ValueError
            If a parameter is out of its range, a row is invalid (the first is named), values are masked, or
            `y` is missing, of another length, continuous, or lacks a label (the first is named), or a weight
            is negative.
        TypeError
            If `X` is sparse, or holds strings or complex numbers, or `y` holds numbers and strings.
        """
        self._check_voting()
        labels = None if y is None else labels_for_scikit_learn(y)
        given = for_scikit_learn(X, "codes")
        codes, labels = validate_data(self, given, labels, multi_output=True, **VALIDATION)
        check_classification_targets(labels)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        self._fit_codes(codes, sample_weight)
        if labels.ndim == 1:
            self.classes_, self._class_of_row = np.unique(labels, return_inverse=True)
        else:
            classes = [np.unique(column, return_inverse=True) for column in labels.T]
            self.classes_ = [of_column for of_column, _ in classes]
            self._class_of_row = np.stack([rows for _, rows in classes], axis=1)
        self.calibration_ = None
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Add training codes and their labels to those that there are; packed codes stay as they are.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training codes, as for `fit`.
        y : array-like of shape (n,)
            Their labels. They may be new: a class needs no code before it is seen.
        classes : array-like of shape (C,), optional
            Labels that `classes_` has from now on, whether codes have them or not.

        Returns
        -------
        CosineKNNClassifier
            The classifier itself: it answers as after a `fit` of all codes together. The new ones count as
            one each.

        Raises
        ------
        TypeError
            As `fit`; where `fit` was given several labels a code; where `from_index` gave the index, whose
            own `add` changes it.
        ValueError
            As `fit`, or for labels that no type holds together with those that there are.

        Examples
        --------
        >>> import latentknn as lk
        >>> clf = lk.CosineKNNClassifier().partial_fit([[1.0, 0.0]], ["right"])
        >>> clf.partial_fit([[0.0, 1.0]], ["up"]).predict([[1.0, 5.0]]).tolist()
        ['up']
        """
        first = not hasattr(self, "index_")
        if not first and isinstance(self.classes_, list):
            raise TypeError("partial_fit takes one label a code, and fit was given several; call fit again")
        if self._of_index:
            raise TypeError(
                "the classifier asks an index that from_index was given; add codes to that index, and call "
                "from_index again"
            )
        self._check_voting()
        labels = None if y is None else labels_for_scikit_learn(y)
        given = for_scikit_learn(X, "codes")
        codes, labels = validate_data(self, given, labels, reset=first, **VALIDATION)
        check_classification_targets(labels)
        known = np.empty(0, labels.dtype) if first else as_labels(self.classes_, len(self.classes_))
        for more in (labels, *([] if classes is None else [labels_for_scikit_learn(classes)])):
            if len(more) > 0:
                known = more if len(known) == 0 else join_labels(known, as_labels(more, len(more)))
        all_classes = np.unique(known)
        rows = np.searchsorted(all_classes, labels)
        if first:
            self._fit_codes(codes)
        else:
            rows = np.concatenate([np.searchsorted(all_classes, self.classes_)[self._class_of_row], rows])
            assert isinstance(self.index_, CosineIndex)
            assert not isinstance(self.classes_, list)
            counts = None if self._counts is None else np.concatenate([self._counts, np.ones(len(codes))])
            self.index_.add(codes)
            self.n_samples_fit_, self._counts = len(rows), counts
        self.classes_, self._class_of_row = all_classes, rows
        return self

    @classmethod
    def from_index(
        cls,
        index: SearchedIndex,
        n_neighbors: int = 1,
        *,
        weights: Weights = "uniform",
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
        weights : {"uniform", "similarity", "softmax", "distance"} or callable, default "uniform"
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.classifier_tags.multi_label = True
        return tags
