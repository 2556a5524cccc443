"""The result of an evaluation of codes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.classification import Vote
from latentknn.evaluation.accuracy import Accuracy
from latentknn.evaluation.appearance import evaluation_html, evaluation_text
from latentknn.evaluation.classification import Classification
from latentknn.evaluation.json_text import from_json, to_json
from latentknn.evaluation.measures import (
    Calibration,
    ClassScore,
    ConfusedPair,
    Duplicates,
    Hubs,
    LabelErrors,
    Outliers,
    Retrieval,
)
from latentknn.evaluation.paired import PairedTest
from latentknn.notebook.one_line import one_line


@dataclass(frozen=True, eq=False)
class EvaluatedItems:
    """What was found out about each of M items, with its nearest codes as evidence.

    Attributes
    ----------
    classes : ndarray of shape (M,), int64
        Numbers of the items' own classes. Here and below a class has its number in `class_names`.
    nearest : ndarray of shape (M,), int64
        Classes of the nearest codes.
    predictions : ndarray of shape (M,), int64
        Classes that the vote predicts.
    shares : ndarray of shape (M,), float64
        Shares of the predicted classes in the votes.
    suspicions : ndarray of shape (M,), float64
        Suspicions against the items' labels; see `LabelErrors`.
    distances : ndarray of shape (M,), float64
        Distances to the k-th nearest codes; see `Outliers`.
    neighbours : ndarray of shape (M, e), int64
        Positions of the nearest codes, best first.
    neighbour_classes : ndarray of shape (M, e), int64
        Their classes.
    similarities : ndarray of shape (M, e), float64
        Their similarities.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> items = evaluation.items
    >>> wrong = np.flatnonzero(items.predictions != items.classes)
    >>> items.neighbours[wrong].shape == (len(wrong), 10)
    True
    """

    classes: NDArray[np.int64]
    nearest: NDArray[np.int64]
    predictions: NDArray[np.int64]
    shares: NDArray[np.float64]
    suspicions: NDArray[np.float64]
    distances: NDArray[np.float64]
    neighbours: NDArray[np.int64]
    neighbour_classes: NDArray[np.int64]
    similarities: NDArray[np.float64]

    __repr__ = one_line

    def __post_init__(self) -> None:
        shape = self.neighbours.shape
        for name, array in vars(self).items():
            wanted = shape if name in ("neighbours", "neighbour_classes", "similarities") else shape[:1]
            if array.shape != wanted or len(shape) != 2:
                raise ValueError(f"{name} has shape {array.shape}, and the neighbours {shape}")

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class CodeEvaluation:
    """What codes are worth, and what is wrong with them or with their labels; see `evaluate`.

    Items are what is classified: the test items, or every code in its turn. They, and the codes, are known by
    their positions in the arrays that `evaluate` received.

    Attributes
    ----------
    protocol : {"test", "leave-one-out"}
        Whether the items are test items, or the codes themselves, each classified by all others.
    class_names : tuple of str
        Names of the classes, sorted as their labels are.
    codes, dim : int
        Number of codes that are searched, and their dimensions.
    engine : str
        The engine that searched.
    exact : bool
        Whether its answers keep the exactness contract.
    vote : Vote
        The vote, which was fixed before anything was measured.
    voted, nearest : Accuracy
        How many items the vote gets right, and how many the nearest code alone.
    commonest : Accuracy
        How many items the class of the most codes would get right, if it were always the answer.
    vote_against_nearest : PairedTest
        The vote compared with the nearest code alone.
    unanswerable : int
        Items whose class has no code, or no other code, so that nothing can get them right.
    class_scores : tuple of ClassScore
        Precision, recall and F1 of every class, by the vote.
    confused : tuple of ConfusedPair
        Pairs of classes that the vote confuses, the most frequent first.
    retrieval : Retrieval or None
        Retrieval metrics; None if every item is unanswerable.
    calibration : Calibration
        Whether the share of the winning class is how often it is right.
    hubs : Hubs
        Codes that are neighbours of many items.
    duplicates : Duplicates
        Pairs that are almost the same.
    label_errors : LabelErrors
        Items whose labels are probably wrong.
    outliers : Outliers
        Items that are unlike every code.
    items : EvaluatedItems
        What was found out about each item.
    format : int
        Version of the format of files.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> print(evaluation.voted)
    0.8500 [0.7093, 0.9294]
    >>> len(evaluation.items), evaluation.class_names
    (40, ('far', 'near'))
    """

    protocol: Literal["test", "leave-one-out"]
    class_names: tuple[str, ...]
    codes: int
    dim: int
    engine: str
    exact: bool
    vote: Vote
    voted: Accuracy
    nearest: Accuracy
    commonest: Accuracy
    vote_against_nearest: PairedTest
    unanswerable: int
    class_scores: tuple[ClassScore, ...]
    confused: tuple[ConfusedPair, ...]
    retrieval: Retrieval | None
    calibration: Calibration
    hubs: Hubs
    duplicates: Duplicates
    label_errors: LabelErrors
    outliers: Outliers
    items: EvaluatedItems
    format: Literal[1] = 1

    def __repr__(self) -> str:
        return evaluation_text(self)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return evaluation_html(self)

    @property
    def classification(self) -> Classification:
        """The items classified by the vote, for scikit-learn's report and the confusion matrix."""
        return Classification(self.vote, self.items.classes, self.items.predictions, self.class_names)

    def summary(self) -> str:
        """Say in a few sentences what the codes are worth, and whether the items tell."""
        low, high = self.voted.interval()
        items = "codes, each among all others," if self.protocol == "leave-one-out" else "test items"
        sentences = [
            f"The vote ({self.vote}) gets {self.voted.value:.4f} of {self.voted.total:,} {items} right "
            f"(95 % interval {low:.4f} to {high:.4f}); always answering the commonest class would get "
            f"{self.commonest.value:.4f}."
        ]
        if self.vote.k > 1:
            sentences.append(self.vote_against_nearest.sentence("the vote", "the nearest code alone"))
        if self.unanswerable:
            other = "other " if self.protocol == "leave-one-out" else ""
            sentences.append(
                f"Nothing can get {self.unanswerable:,} of them right: no {other}code has their class."
            )
        if not self.exact:
            sentences.append(f"The engine {self.engine} may have missed neighbours.")
        return "\n".join(sentences)

    def to_json(self) -> str:
        """Return all values as JSON; `from_json` reads it."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> CodeEvaluation:
        """Read what `to_json` returned.

        Raises
        ------
        ValueError
            If the text is no evaluation; the message names the first wrong value.
        """
        return from_json(text, cls)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to a file, as a whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with atomic_file(Path(path)) as unfinished:
            unfinished.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CodeEvaluation:
        """Read a file that `save` wrote; nothing in it is executed.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or holds no evaluation.
        """
        try:
            return cls.from_json(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r} holds no evaluation: {error}") from error
