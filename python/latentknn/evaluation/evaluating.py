"""The evaluation of codes that anything may have made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.classification.neighbours import Neighbours
from latentknn.classification.vote import Vote
from latentknn.engines import EngineLike
from latentknn.evaluation.accuracy import Accuracy
from latentknn.evaluation.classification import Classification
from latentknn.evaluation.code_evaluation import CodeEvaluation, EvaluatedItems
from latentknn.evaluation.evaluated_codes import EvaluatedCodes
from latentknn.evaluation.measures import label_errors
from latentknn.evaluation.measures.calibration import measure_calibration
from latentknn.evaluation.measures.confusion import confused_pairs, score_classes
from latentknn.evaluation.measures.duplicates import find_duplicates
from latentknn.evaluation.measures.hubs import find_hubs
from latentknn.evaluation.measures.outliers import find_outliers
from latentknn.evaluation.measures.retrieval import measure_retrieval
from latentknn.evaluation.paired import PairedTest
from latentknn.evaluation.stages import Stopwatch
from latentknn.index.counts import positive

VOTERS = 10
"""Neighbours that vote by default, if there are as many."""

_SHOWN = 10
_DEPTHS = (1, 5, 10)
_HUB_NEIGHBOURS = 10
_OUTLIER_NEIGHBOURS = 10


def evaluate(
    codes: ArrayLike,
    labels: ArrayLike,
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    vote: Vote | None = None,
    ks: Sequence[int] | None = None,
    evidence: int | None = None,
    duplicates_above: float = 0.999,
    engine: EngineLike = "auto",
    threads: int | None = None,
    stopwatch: Stopwatch | None = None,
) -> CodeEvaluation:
    """Measure exactly what codes are worth to their nearest neighbours, and find what is wrong with them.

    Parameters
    ----------
    codes : array-like of shape (n, d)
        Codes, as `CosineIndex` takes them; zero vectors are allowed.
    labels : array-like of shape (n,)
        Their classes: strings or whole numbers.
    test : pair of array-like, optional
        Test items to classify by the codes: their codes, shape (M, d), and their labels, shape (M,), of the
        same kind. By default every code is left out once and classified by all others; then there must be
        at least two.
    vote : Vote, optional
        The vote; by default ten neighbours with equal votes, or fewer if there are fewer codes. A vote that
        was chosen by its accuracy on these items would look better than it is.
    ks : sequence of int, optional
        Depths of the retrieval metrics; by default 1, 5 and 10, as far as there are as many codes.
    evidence : int, optional
        Neighbours of each item that the result has; by default ten, or fewer if there are fewer codes.
    duplicates_above : float
        Similarity from which on a pair counts as near-duplicates, above 0 and at most 1.
    engine : EngineLike
        What searches; see `CosineIndex`.
    threads : int, optional
        Threads of the searches; by default every processor that the process may use.
    stopwatch : Stopwatch, optional
        Measures the stages, and may show their progress.

    Returns
    -------
    CodeEvaluation
        Accuracy with its interval, scores of the classes, retrieval metrics, calibration, confused pairs,
        hubs, near-duplicates, suspected label errors, outliers, and every item with its neighbours.

    Raises
    ------
    TypeError
        If codes are not real numbers, `test` is no pair, or labels are of several kinds.
    ValueError
        If shapes do not fit, a value is not finite, a label is missing or no class, there are no codes or
        items, or a number is out of range: no more neighbours can be asked for than there are codes.

    Notes
    -----
    An item whose class has R codes costs a search for its R nearest, in parts that fit into memory; the
    result holds `evidence` neighbours of each item.

    The interval of the accuracies is Wilson's: where few items are wrong it covers the true value about as
    often as it says, while Wald's covers it too seldom and that of Clopper and Pearson is wider than it need
    be (L. D. Brown, T. T. Cai, A. DasGupta, "Interval Estimation for a Binomial Proportion", Statistical
    Science 16, 2001). It treats items as independent; items of one person, or codes that are near-duplicates,
    are not, and the true interval is then wider.

    Examples
    --------
    >>> import latentknn as lk
    >>> digits = lk.datasets.load("digits")
    >>> codes = digits.train_images.reshape(len(digits.train_images), -1)
    >>> items = digits.test_images.reshape(len(digits.test_images), -1)
    >>> result = lk.evaluation.evaluate(codes, digits.train_labels, test=(items, digits.test_labels))
    >>> print(result.nearest)
    0.9600 [0.9390, 0.9740]
    >>> print(f"{result.retrieval.map_at_r:.3f}")
    0.529
    >>> worst = result.confused[0]
    >>> print(f"{worst.count} items of class {worst.truth} are taken for {worst.predicted}")
    4 items of class 8 are taken for 1
    """
    stopwatch = stopwatch or Stopwatch()
    with stopwatch.measure("build index", 0, "codes") as stage:
        evaluated = EvaluatedCodes.of(codes, labels, test, engine, threads)
        stage.items = len(evaluated.index)
    available = evaluated.searchable
    if not 0 < duplicates_above <= 1:
        raise ValueError(f"duplicates_above must be above 0 and at most 1, received {duplicates_above}")
    among = f"{available}, the number of {'other ' if evaluated.leave_one_out else ''}codes"
    vote = Vote(min(VOTERS, available)) if vote is None else vote
    _check_vote(vote, available, among)
    depths = _depths(ks, available, among)
    shown = _count(min(_SHOWN, available) if evidence is None else evidence, "evidence", available, among)

    testifying, hub_k, outlier_k = (
        min(k, available) for k in (label_errors.K, _HUB_NEIGHBOURS, _OUTLIER_NEIGHBOURS)
    )
    classes, names = evaluated.item_classes, evaluated.class_names
    with stopwatch.measure("search neighbours", len(classes), "items") as stage:
        deepest = max(vote.k, shown, testifying, hub_k, outlier_k)
        found, positions = evaluated.neighbours(deepest, stage.progress)
    with stopwatch.measure("measure retrieval", len(classes), "items") as stage:
        retrieval = measure_retrieval(evaluated, depths, stage.progress)
    with stopwatch.measure("find near-duplicates", len(classes), "items"):
        duplicates = find_duplicates(evaluated, found.similarities, positions, duplicates_above)
    witnesses = Neighbours(
        found.similarities[:, :testifying], found.classes[:, :testifying], found.class_count
    )
    neighbour_classes = found.classes.astype(np.int64, copy=False)
    predictions, nearest = found.predict(vote).astype(np.int64, copy=False), neighbour_classes[:, 0]
    shares = _winning_shares(found, predictions, vote)
    voted = Classification(vote, classes, predictions, names)
    outliers = find_outliers(found.similarities[:, :outlier_k])

    return CodeEvaluation(
        protocol="leave-one-out" if evaluated.leave_one_out else "test",
        class_names=names,
        codes=len(evaluated.index),
        dim=evaluated.index.dim,
        engine=evaluated.index.engine,
        exact=evaluated.index.exact,
        vote=vote,
        voted=voted.accuracy,
        nearest=_accuracy(nearest == classes),
        commonest=_accuracy(classes == evaluated.class_sizes.argmax()),
        vote_against_nearest=PairedTest.of(predictions == classes, nearest == classes),
        unanswerable=int(np.sum(evaluated.relevant == 0)),
        class_scores=score_classes(voted, evaluated.class_sizes),
        confused=confused_pairs(voted),
        retrieval=retrieval,
        calibration=measure_calibration(shares, predictions == classes),
        hubs=find_hubs(
            positions[:, :hub_k], neighbour_classes[:, :hub_k] == classes[:, None], len(evaluated.index)
        ),
        duplicates=duplicates,
        label_errors=label_errors.find_label_errors(witnesses, classes, names),
        outliers=outliers,
        items=EvaluatedItems(
            classes=classes,
            nearest=nearest,
            predictions=predictions,
            shares=shares,
            suspicions=label_errors.suspicion(witnesses, classes),
            distances=1 - found.similarities[:, outlier_k - 1],
            neighbours=positions[:, :shown],
            neighbour_classes=neighbour_classes[:, :shown],
            similarities=found.similarities[:, :shown],
        ),
    )


def _check_vote(vote: Vote, available: int, among: str) -> None:
    if not isinstance(vote, Vote):
        raise TypeError(f"vote must be a latentknn.evaluation.Vote, received {vote!r}")
    _count(vote.k, "k of the vote", available, among)
    if not vote.temperature > 0:
        raise ValueError(f"temperature of the vote must be above 0, received {vote.temperature}")


def _depths(ks: Sequence[int] | None, available: int, among: str) -> list[int]:
    if ks is None:
        return [k for k in _DEPTHS if k <= available]
    if len(ks) == 0:
        raise ValueError("ks must name at least one depth, received none")
    return [_count(k, "ks", available, among) for k in ks]


def _count(value: int, name: str, available: int, among: str) -> int:
    number = positive(value, name)
    if number > available:
        raise ValueError(f"{name} must be at most {among}, received {number}")
    return number


def _winning_shares(found: Neighbours, predictions: NDArray[np.int64], vote: Vote) -> NDArray[np.float64]:
    """Return the share of each predicted class in its votes, without a matrix of all classes."""
    weights = vote.weigh(found.similarities[:, : vote.k])
    for_predicted = np.where(found.classes[:, : vote.k] == predictions[:, None], weights, 0.0)
    shares: NDArray[np.float64] = for_predicted.sum(axis=1) / weights.sum(axis=1)
    return shares


def _accuracy(right: NDArray[np.bool_]) -> Accuracy:
    return Accuracy(int(np.count_nonzero(right)), len(right))
