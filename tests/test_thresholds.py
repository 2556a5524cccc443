"""Curves of thresholds beside scikit-learn's and a short definition, and the choice among thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import auc, f1_score, precision_recall_curve, roc_auc_score, roc_curve

from latentknn.classification import ThresholdCurve
from latentknn.classification.thresholds import choose, wanted_of
from scale import scaled

WANTED = ("precision", "recall", "false_positive_rate", "f1")


def drawn(seed):
    """Return similarities, some of them equal, and which queries are positive; never all or none."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 80))
    positive = rng.random(count) < rng.uniform(0.05, 0.95)
    positive[:2] = [True, False]
    digits = int(rng.integers(1, 4))
    return np.round(rng.uniform(-1, 1, count) + 0.3 * positive, digits).clip(-1, 1), positive


def defined(similarities, positive):
    """Return lines of threshold, precision, recall, false-positive rate and F1, highest threshold first."""
    lines = []
    for threshold in sorted(set(similarities.tolist()), reverse=True):
        accepted = [bool(similarity >= threshold) for similarity in similarities]
        right = sum(a and p for a, p in zip(accepted, positive, strict=True))
        wrong = sum(accepted) - right
        missed = sum(positive) - right
        rate = wrong / (len(positive) - sum(positive)) if not all(positive) else math.nan
        lines.append((threshold, right / sum(accepted), right / sum(positive), rate,
                      2 * right / (2 * right + wrong + missed)))  # fmt: skip
    return lines


def test_curves_are_those_of_the_definition():
    for seed in range(scaled(50)):
        similarities, positive = drawn(seed)
        curve = ThresholdCurve.of(similarities, positive)
        lines = zip(
            curve.thresholds.tolist(),
            curve.precision.tolist(),
            curve.recall.tolist(),
            curve.false_positive_rate.tolist(),
            curve.f1.tolist(),
            strict=True,
        )
        assert list(lines) == defined(similarities, positive.tolist())
        accepted = [(similarities >= threshold).mean() for threshold in curve.thresholds]
        assert curve.accepted.tolist() == accepted
        assert (curve.positives, curve.negatives) == (positive.sum(), (~positive).sum())


def test_curves_are_those_of_scikit_learn():
    for seed in range(scaled(50)):
        similarities, positive = drawn(seed)
        curve = ThresholdCurve.of(similarities, positive)
        precision, recall, thresholds = precision_recall_curve(positive, similarities)
        # scikit-learn's curve ascends, and ends with a point that no threshold has.
        assert curve.thresholds.tolist() == thresholds[::-1].tolist()
        assert curve.precision.tolist() == precision[-2::-1].tolist()
        assert curve.recall.tolist() == recall[-2::-1].tolist()
        rate, recall, thresholds = roc_curve(positive, similarities, drop_intermediate=False)
        assert math.isinf(thresholds[0])
        assert curve.thresholds.tolist() == thresholds[1:].tolist()
        assert curve.false_positive_rate.tolist() == rate[1:].tolist()
        assert curve.recall.tolist() == recall[1:].tolist()
        # scikit-learn takes milliseconds for each; the definition compares all.
        middle = len(curve.thresholds) // 2
        accepted = similarities >= curve.thresholds[middle]
        assert curve.f1[middle] == pytest.approx(f1_score(positive, accepted), rel=1e-14)
        area = auc(np.append(0, curve.false_positive_rate), np.append(0, curve.recall))
        assert area == pytest.approx(roc_auc_score(positive, similarities), rel=1e-12)


def best_line(lines, wanted, target):
    """Return the threshold that a search of all lines chooses, or None where none gives what is wanted."""
    names = ("threshold", "precision", "recall", "false_positive_rate", "f1")
    lines = [dict(zip(names, line, strict=True)) for line in lines]
    if wanted == "f1":
        return max(lines, key=lambda line: (line["f1"], line["threshold"]))["threshold"]
    if wanted == "false_positive_rate":
        good = [line for line in lines if line[wanted] <= target and line["recall"] > 0]
    else:
        good = [line for line in lines if line[wanted] >= target and line["recall"] > 0]
    if wanted == "recall":
        return max((line["threshold"] for line in good), default=None)
    chosen = max(good, key=lambda line: (line["recall"], line["threshold"]), default=None)
    return chosen and chosen["threshold"]


@pytest.mark.parametrize("wanted", WANTED)
def test_the_chosen_threshold_is_that_of_a_search_among_all(wanted):
    reached = 0
    for seed in range(scaled(50)):
        similarities, positive = drawn(seed)
        curve = ThresholdCurve.of(similarities, positive)
        lines = defined(similarities, positive.tolist())
        # The values of the curve itself are targets too, because a comparison might miss equal ones.
        column = WANTED.index(wanted) + 1
        targets = [0.0, 0.02, 0.5, 0.9, 0.99, 1.0, *(line[column] for line in lines)]
        for target in [None] if wanted == "f1" else targets:
            expected = best_line(lines, wanted, target)
            if expected is None:
                with pytest.raises(ValueError, match=r"^no threshold has a .*: the best is "):
                    choose(curve, wanted, target)
            else:
                reached += 1
                assert curve.thresholds[choose(curve, wanted, target)] == expected
    assert reached >= scaled(50)


def test_what_cannot_be_reached_is_told_with_the_best():
    curve = ThresholdCurve.of(np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, True, True, False]))
    with pytest.raises(
        ValueError, match=r"a precision of at least 0\.9: the best is 0\.666667, where the simil"
    ):
        choose(curve, "precision", 0.9)
    with pytest.raises(
        ValueError, match=r"a false-positive rate of at most 0\.4: the best is 0\.5, where"
    ) as told:
        choose(curve, "false_positive_rate", 0.4)
    assert str(told.value).endswith("where the similarity is at least 0.7, with a recall of 1")


def test_queries_of_one_kind_have_no_rate_of_the_other():
    curve = ThresholdCurve.of(np.array([0.9, 0.9, 0.1]), np.ones(3, np.bool_))
    assert curve.precision.tolist() == [1.0, 1.0]
    assert np.isnan(curve.false_positive_rate).all()
    curve = ThresholdCurve.of(np.array([0.9, 0.9, 0.1]), np.zeros(3, np.bool_))
    assert curve.precision.tolist() == curve.f1.tolist() == [0.0, 0.0]
    assert np.isnan(curve.recall).all()


def test_one_thing_is_wanted():
    assert wanted_of({"precision": None, "recall": None}) == ("f1", None)
    assert wanted_of({"precision": None, "recall": 1}) == ("recall", 1.0)
    with pytest.raises(
        ValueError, match="one of precision, recall can be wanted, received precision and rec"
    ):
        wanted_of({"precision": 0.5, "recall": 0.5})
    for target in (-0.1, 1.1, math.nan, "0.5", True):
        with pytest.raises(ValueError, match="recall must be a number from 0 to 1, received"):
            wanted_of({"recall": target})


@pytest.mark.parametrize(
    ("similarities", "positive", "message"),
    [
        ([0.5, 0.25], [True, False, True], r"shape \(2,\) and flags of shape \(3,\)"),
        ([[0.5]], [[True]], r"expected \(M,\) for both"),
        ([0.5, np.nan], [True, False], "similarity 1 is not a number"),
    ],
)
def test_what_makes_no_curve_is_refused(similarities, positive, message):
    with pytest.raises(ValueError, match=message):
        ThresholdCurve.of(similarities, positive)
