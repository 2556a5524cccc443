"""What a classifier of nearest neighbours answers once it has training codes, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from latentknn.array_likes import as_array
from latentknn.classification.base import NeighbourClassifier
from latentknn.classification.neighbours import Neighbours
from latentknn.classification.prediction_explanation import PredictionExplanation, margins_of
from latentknn.classification.searching import NeighbourSearch
from latentknn.classification.thresholds import (
    ThresholdCalibration,
    ThresholdCurve,
    check_threshold,
    choose,
    wanted_of,
)
from latentknn.classification.unknown_labels import known_rows, labels_with_unknown
from latentknn.classification.vote import class_votes, winning_classes
from latentknn.index import SearchResult
from latentknn.labels import as_labels

_POSITIVE = ("right", "known")


class AnsweringClassifier(NeighbourSearch, NeighbourClassifier):
    """Base of `CosineKNNClassifier`: its answers, where it would rather give none, and the evidence."""

    classes_: NDArray[Any] | list[NDArray[Any]]
    # The class of each training code, in each output.
    _class_of_row: NDArray[np.integer[Any]]
    calibration_: ThresholdCalibration | None = None

    def predict(
        self, X: ArrayLike | None, *, unknown: Any = None, threshold: float | None = None
    ) -> NDArray[Any]:
        """Return the class of every query; the nearest neighbour decides between equal votes.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            Query codes, as for `fit`; None classifies every training code by the others.
        unknown : label, optional
            The answer to queries whose nearest training code is less similar than a threshold: a string where
            classes are strings, a number where they are numbers. Without it every query gets a class.
        threshold : float, optional
            A similarity from -1 to 1, for `unknown`; that of `calibrate` where none is given.

        Returns
        -------
        ndarray of shape (M,) or (M, outputs)
            Labels, of the dtype of `classes_`, or of one that holds `unknown` too.

        Raises
        ------
        TypeError
            If `unknown` is a string among numbers or a number among strings, or is given where a code has
            several labels.
        ValueError
            If a query is invalid (the first is named), or `n_neighbors` is above the number of training codes
            (less one for `X` = None), or above the sum of their weights; if `unknown` is given, but neither
            `threshold` nor a calibration is there, or `threshold` without `unknown`.

        Examples
        --------
        >>> import latentknn as lk
        >>> clf = lk.CosineKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
        >>> clf.predict([[5.0, 1.0], [-1.0, -1.0]], unknown="elsewhere", threshold=0.9).tolist()
        ['right', 'elsewhere']
        """
        check_is_fitted(self)
        refused = self._refused(unknown, threshold)
        found, counts = self._voters(X)
        winners = [(of.predict(self._vote()), classes) for of, classes in self._of_outputs(found, counts)]
        if refused is not None:
            ((numbers, _),) = winners
            labels, least = refused
            # The classes' own numbers may be of a type that does not hold one more.
            return labels[np.where(found.scores[:, 0] >= least, numbers.astype(np.intp), len(labels) - 1)]
        answers = [classes[numbers] for numbers, classes in winners]
        return np.stack(answers, axis=1) if isinstance(self.classes_, list) else answers[0]

    def predict_proba(self, X: ArrayLike | None) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Return the share of each class in the votes for every query.

        A threshold changes nothing here: the shares are those of the classes alone, however far a query is.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            See `predict`.

        Returns
        -------
        ndarray of shape (M, C), float64, or a list of one for each output
            Shares that add up to 1 in every row; the columns are in the order of `classes_`. If several
            classes have the most votes, `predict` takes the one whose nearest neighbour comes first, and
            ``argmax`` the first column.

        Raises
        ------
        ValueError
            See `predict`.
        """
        shares = [of.shares(self._vote()) for of, _ in self._of_outputs(*self._voters(X))]
        return shares if isinstance(self.classes_, list) else shares[0]

    def explain_prediction(self, X: ArrayLike | None) -> PredictionExplanation | list[PredictionExplanation]:
        """Return the neighbours that decide on every query's class, with their votes.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            See `predict`.

        Returns
        -------
        PredictionExplanation, or a list of one for each output
            Of the same bytes as `predict`, `kneighbors` and `predict_proba` answer, the shares of which are
            ``votes / votes.sum(axis=1, keepdims=True)``. Where `fit` was given weights of codes, neighbours
            are as many as it takes until enough are counted, and those of weight 0 are left out. Memory:
            M (C + k) numbers of 8 bytes, a few times.

        Raises
        ------
        ValueError
            See `predict`.

        Examples
        --------
        >>> import latentknn as lk
        >>> clf = lk.CosineKNNClassifier(2).fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
        >>> explanation = clf.explain_prediction([[4.0, 3.0]])
        >>> explanation.predictions.tolist(), explanation.labels.tolist(), explanation.margins.tolist()
        (['right'], [['right', 'up']], [0.0])
        """
        found, counts = self._voters(X)
        explanations = []
        for neighbours, classes in self._of_outputs(found, counts):
            numbers, weights = neighbours.voters(self._vote())
            winners = winning_classes(numbers, weights, len(classes))
            votes = class_votes(numbers, weights, len(classes))
            explanations.append(
                PredictionExplanation(
                    predictions=classes[winners],
                    classes=classes,
                    positions=found.positions,
                    ids=found.ids,
                    labels=classes[numbers],
                    similarities=found.scores,
                    weights=weights,
                    votes=votes,
                    margins=margins_of(votes / votes.sum(axis=1, keepdims=True), winners),
                )
            )
        return explanations if isinstance(self.classes_, list) else explanations[0]

    def calibrate(
        self,
        X: ArrayLike | None,
        y: ArrayLike,
        *,
        precision: float | None = None,
        recall: float | None = None,
        false_positive_rate: float | None = None,
        positive: str = "right",
        unknown: Any = None,
    ) -> ThresholdCalibration:
        """Find the similarity below which a query's class is better called unknown, on held-out queries.

        A query is accepted if its nearest training code, of whatever class, is at least as similar as the
        threshold. `predict` takes the threshold where it is told what to answer to all others.

        Parameters
        ----------
        X : array-like of shape (M, d), or None
            Queries that are not among the training codes; None asks with every training code among the
            others.
        y : array-like of shape (M,)
            Their labels. Those that are none of `classes_` are of queries that are unknown.
        precision, recall : float, optional
            How large, at least, the share of positive queries among those that are accepted shall be, or the
            share of the positive queries that are accepted.
        false_positive_rate : float, optional
            How large, at most, the share of the negative queries that are accepted shall be. One of the three
            can be wanted; without any it is the largest F1, the harmonic mean of precision and recall.
        positive : {"right", "known"}, default "right"
            Which queries are positive: those whose predicted class is theirs, so that precision is the share
            of answers that are right; or those of a class that is known, whatever their answer, which is what
            the detection of unknown or out-of-distribution data is measured by.
        unknown : label, optional
            The only label of unknown queries; any other that is none of `classes_` is an error then.

        Returns
        -------
        ThresholdCalibration
            The threshold with the whole curve, which is also kept as `calibration_`.

        Raises
        ------
        TypeError
            If labels are strings where classes are numbers, or the other way round; where `fit` was given
            several labels a code.
        ValueError
            If no threshold gives what is wanted (the message says the best that there is), there is no
            positive query, or no negative one for a rate of them; if a query is invalid, `y` is of another
            length or has missing labels, or an argument is out of its range. `calibration_` stays as it was.

        Notes
        -----
        What is wanted holds for these queries, and for others about as well as these are like them and many.
        The answers of `n_neighbors` and `weights` count as they are now.

        Examples
        --------
        >>> import latentknn as lk
        >>> clf = lk.CosineKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
        >>> held_out, labels = [[4.0, 3.0], [1.0, 9.0], [-1.0, 0.0]], ["right", "up", "left"]
        >>> clf.calibrate(held_out, labels, precision=0.99).threshold
        0.8
        >>> clf.predict([[8.0, 1.0], [0.0, -1.0]], unknown="neither").tolist()
        ['right', 'neither']
        """
        check_is_fitted(self)
        classes = self._one_output("calibrate")
        wanted, target = wanted_of(
            {"precision": precision, "recall": recall, "false_positive_rate": false_positive_rate}
        )
        if positive not in _POSITIVE:
            raise ValueError(f"positive must be one of {', '.join(_POSITIVE)}, received {positive!r}")
        given = as_array(y, "labels")
        if given.ndim == 0:
            raise ValueError(f"y must have a label for each query, received the single {y!r}")
        labels = as_labels(y, len(given))
        positives = known_rows(labels, classes, unknown)
        found, counts = self._voters(X)
        if len(found.ids) != len(labels):
            raise ValueError(f"received {len(found.ids)} queries and {len(labels)} labels; pass one for each")
        if positive == "right":
            ((neighbours, _),) = self._of_outputs(found, counts)
            positives &= classes[neighbours.predict(self._vote())] == labels
        if not positives.any():
            raise ValueError(f"no query is {positive}, of {len(labels)} that were received")
        if wanted == "false_positive_rate" and positives.all():
            raise ValueError(f"every query is {positive}: a false-positive rate needs others")
        curve = ThresholdCurve.of(found.scores[:, 0], positives)
        self.calibration_ = ThresholdCalibration(
            curve, choose(curve, wanted, target), wanted, target, positive
        )
        return self.calibration_

    def _refused(self, unknown: Any, threshold: float | None) -> tuple[NDArray[Any], float] | None:
        """Return the labels of the classes with `unknown` last, and below which similarity it is answered."""
        if unknown is None:
            if threshold is not None:
                raise ValueError("threshold= needs unknown=, the answer to queries below it")
            return None
        labels = labels_with_unknown(self._one_output("unknown="), unknown)
        if threshold is not None:
            return labels, check_threshold(threshold)
        if self.calibration_ is None:
            raise ValueError(
                "unknown= needs a threshold: call calibrate() with held-out queries, or pass threshold="
            )
        return labels, self.calibration_.threshold

    def _one_output(self, name: str) -> NDArray[Any]:
        """Return the classes, or raise TypeError where a code has several labels."""
        if isinstance(self.classes_, list):
            raise TypeError(f"{name} takes one label a code, and fit was given several")
        return self.classes_

    def _of_outputs(
        self, found: SearchResult, counts: NDArray[np.float64] | None
    ) -> list[tuple[Neighbours, NDArray[Any]]]:
        """Return the queries' neighbours with their classes in each output, and the labels of these."""
        outputs = self.classes_ if isinstance(self.classes_, list) else [self.classes_]
        columns = self._class_of_row.reshape(self.n_samples_fit_, len(outputs)).T
        return [
            (Neighbours(found.scores, column[found.positions], len(classes), counts), classes)
            for column, classes in zip(columns, outputs, strict=True)
        ]
