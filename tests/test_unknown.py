"""Queries of no class: thresholds from held-out queries, and predictions that say unknown."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import cases
import latentknn as lk
import reference

NAMES = np.array(["ant", "bee", "cat", "dog"])
KINDS = ("gaussian", "duplicates", "signs", "opposite_halves", "zero_rows", "all_equal")
RIGHT_UP = [[1.0, 0.0], [0.0, 1.0]]
HELD_OUT, TRUTH = [[4.0, 3.0], [1.0, 9.0], [-1.0, 0.0]], ["right", "up", "left"]


def right_up(labels=("right", "up")):
    return lk.CosineKNNClassifier().fit(RIGHT_UP, labels)


def problem(kind, seed=0):
    """Return codes with labels, and queries with labels, some of which no code has."""
    codes, queries = cases.build(kind, seed, 100, 60, 8)
    rng = np.random.default_rng(seed)
    return codes, rng.choice(NAMES, 100), queries, rng.choice([*NAMES, "eel", "fox"], 60)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positive", ["right", "known"])
def test_thresholds_are_similarities_of_the_reference(kind, positive):
    codes, labels, queries, truth = problem(kind)
    classifier = lk.CosineKNNClassifier(3).fit(codes, labels)
    calibration = classifier.calibrate(queries, truth, positive=positive)
    nearest = reference.search(codes, queries, 1).scores64[:, 0]
    assert calibration.curve.thresholds.tobytes() == np.unique(nearest)[::-1].tobytes()
    predicted = classifier.predict(queries)
    wanted = predicted == truth if positive == "right" else np.isin(truth, NAMES)
    for position, threshold in enumerate(calibration.curve.thresholds):
        assert calibration.curve.true_positives[position] == np.sum(wanted & (nearest >= threshold))
        assert calibration.curve.false_positives[position] == np.sum(~wanted & (nearest >= threshold))
    answers = classifier.predict(queries, unknown="none of them")
    assert answers.tolist() == np.where(nearest >= calibration.threshold, predicted, "none of them").tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_of_exactly_the_threshold_gets_its_class(kind):
    codes, labels, queries, _ = problem(kind, 1)
    classifier = lk.CosineKNNClassifier().fit(codes, labels)
    nearest = reference.search(codes, queries, 1).scores64[:, 0]
    predicted = classifier.predict(queries)
    for threshold in [*np.unique(nearest), -1.0, 1.0]:
        answers = classifier.predict(queries, unknown="?", threshold=threshold)
        assert ((answers == "?") == (nearest < threshold)).all()
        assert (answers[answers != "?"] == predicted[answers != "?"]).all()


def test_a_threshold_gives_on_its_queries_what_was_wanted():
    codes, labels, _, _ = problem("gaussian")
    noise = np.random.default_rng(1).standard_normal((60, 8))
    queries = np.vstack([codes[:30] + 0.2 * noise[:30], noise[30:]])
    truth = np.concatenate([labels[:25], NAMES[[0] * 5], ["eel"] * 30])
    classifier = lk.CosineKNNClassifier().fit(codes, labels)
    known, predicted = np.isin(truth, NAMES), classifier.predict(queries)

    def answered():
        return classifier.predict(queries, unknown="?") != "?"

    precision = classifier.calibrate(queries, truth, precision=0.9)
    assert precision.precision == np.mean((predicted == truth)[answered()]) >= 0.9
    recall = classifier.calibrate(queries, truth, recall=0.9)
    assert recall.recall == np.mean(answered()[predicted == truth]) >= 0.9
    rate = classifier.calibrate(queries, truth, false_positive_rate=0.1, positive="known")
    assert rate.false_positive_rate == np.mean(answered()[~known]) <= 0.1
    assert rate.recall == np.mean(answered()[known])
    assert rate.accepted == np.mean(answered())
    best = classifier.calibrate(queries, truth)
    assert best.f1 == best.curve.f1.max()
    assert (best.wanted, best.target, rate.wanted, rate.target) == ("f1", None, "false_positive_rate", 0.1)


def test_shares_do_not_change_with_a_threshold():
    codes, labels, queries, truth = problem("gaussian")
    classifier = lk.CosineKNNClassifier(5).fit(codes, labels)
    before = classifier.predict_proba(queries)
    predicted = classifier.predict(queries)
    classifier.calibrate(queries, truth, recall=0.5)
    assert classifier.predict_proba(queries).tobytes() == before.tobytes()
    assert classifier.predict(queries).tolist() == predicted.tolist()


def test_training_codes_can_be_asked_among_the_others():
    codes, labels, _, _ = problem("gaussian")
    classifier = lk.CosineKNNClassifier().fit(codes, labels)
    calibration = classifier.calibrate(None, labels, recall=0.5)
    nearest = reference.search_self(codes, 1).scores64[:, 0]
    assert calibration.curve.thresholds.tobytes() == np.unique(nearest)[::-1].tobytes()
    answers = classifier.predict(None, unknown="?")
    assert ((answers == "?") == (nearest < calibration.threshold)).all()


def test_codes_of_no_weight_are_nobody_s_nearest():
    classifier = lk.CosineKNNClassifier().fit(RIGHT_UP, ["right", "up"], sample_weight=[0, 2])
    assert classifier.predict([[5.0, 1.0]], unknown="?", threshold=0.5).tolist() == ["?"]
    assert classifier.predict([[1.0, 5.0]], unknown="?", threshold=0.5).tolist() == ["up"]


# Labels


@pytest.mark.parametrize(
    ("classes", "unknown", "dtype", "answers"),
    [
        (np.array(["a", "b"]), "neither", "<U7", ["a", "neither"]),
        (np.array(["right", "up"]), "?", "<U5", ["right", "?"]),
        (np.array(["right", "up"], object), "neither", object, ["right", "neither"]),
        (np.array([3, 7]), -1, np.int64, [3, -1]),
        (np.array([3, 7], np.int16), -1, np.int16, [3, -1]),
        (np.array([3, 7], np.uint8), 255, np.uint8, [3, 255]),
        (np.array([3, 7], np.uint8), -1, np.int64, [3, -1]),
        (np.array([3, 7], np.uint64), -1, np.int64, [3, -1]),
        (np.array([3, 7], np.int8), 1000, np.int64, [3, 1000]),
        (np.array([False, True]), -1, np.int64, [0, -1]),
        (np.array([3.0, 7.0]), -1, np.float64, [3.0, -1.0]),
        (np.array([3, 7]), 7, np.int64, [3, 7]),
    ],
)
def test_labels_keep_their_type_where_it_holds_the_unknown_one(classes, unknown, dtype, answers):
    classifier = right_up(classes)
    got = classifier.predict([[5.0, 1.0], [-1.0, -1.0]], unknown=unknown, threshold=0.5)
    assert got.dtype == np.dtype(dtype)
    assert got.tolist() == answers


def test_large_integers_are_not_rounded():
    classifier = lk.CosineKNNClassifier().fit(RIGHT_UP, np.array([2**64 - 1, 0], np.uint64))
    with pytest.raises(ValueError, match=r"no type holds unknown=-1 .* dtype uint64; choose another label"):
        classifier.predict([[1.0, 0.0]], unknown=-1, threshold=0.5)


def test_large_integers_of_another_type_are_compared_exactly():
    """As float64, which NumPy compares many of such mixed types by, they would be equal."""
    codes = np.random.default_rng(0).standard_normal((120, 4))
    names = 2**60 + 2000 * (np.arange(120) // 2)
    classifier = lk.CosineKNNClassifier(1).fit(codes, names.astype(np.uint64))
    with pytest.raises(ValueError, match="no query is known, of 120"):
        classifier.calibrate(codes, names + 1, positive="known")
    assert classifier.calibrate(codes, names, positive="known").curve.positives == 120
    with pytest.raises(ValueError, match=f"unknown is {2**60}, which is one of the classes"):
        classifier.calibrate(codes, names, positive="known", unknown=2**60)


def test_an_index_of_256_classes_has_a_number_for_unknown():
    codes = np.random.default_rng(0).standard_normal((512, 8))
    index = lk.CosineIndex.from_codes(codes, np.arange(512) % 256)
    classifier = lk.CosineKNNClassifier.from_index(index)
    answers = classifier.predict(np.vstack([codes, -codes]), unknown=256, threshold=1.0)
    assert answers.tolist() == [*range(256), *range(256), *[256] * 512]


@pytest.mark.parametrize(
    ("labels", "unknown", "error", "match"),
    [
        (("right", "up"), 3, TypeError, "unknown must be of the kind .* such as 'right', received 3"),
        (np.array(["right", "up"], object), 3, TypeError, "such as 'right', received 3"),
        ((3, 7), "?", TypeError, r"such as 3, received '\?'"),
        (("right", "up"), b"x", TypeError, "such as 'right', received b'x'"),
        ((3, 7), np.nan, ValueError, "unknown must be a label, received nan"),
        ((3, 7), [1, 2], ValueError, r"unknown must be a label, received \[1, 2\]"),
    ],
)
def test_what_is_no_label_is_refused(labels, unknown, error, match):
    with pytest.raises(error, match=match):
        right_up(labels).predict(HELD_OUT, unknown=unknown, threshold=0.5)


def test_labels_of_no_class_are_unknown_unless_one_is_named():
    classifier = right_up()
    by_default = classifier.calibrate(HELD_OUT, TRUTH, positive="known")
    named = classifier.calibrate(HELD_OUT, TRUTH, positive="known", unknown="left")
    for calibration in (by_default, named):
        assert (calibration.curve.positives, calibration.curve.negatives) == (2, 1)
    with pytest.raises(
        ValueError, match="label 2 is 'left', which is neither one of the classes nor unknown='n"
    ):
        classifier.calibrate(HELD_OUT, TRUTH, unknown="none")
    with pytest.raises(ValueError, match="unknown is 'up', which is one of the classes"):
        classifier.calibrate(HELD_OUT, TRUTH, unknown="up")


def test_a_class_that_is_called_unknown_is_a_class_like_others():
    classifier = right_up(("unknown", "up"))
    calibration = classifier.calibrate(HELD_OUT, ["unknown", "up", "elsewhere"], positive="known")
    assert calibration.curve.positives == 2
    assert classifier.predict(HELD_OUT, unknown="unknown").tolist() == ["unknown", "up", "unknown"]


# Refusals


def test_what_cannot_be_calibrated_is_refused_and_changes_nothing():
    classifier = right_up()
    kept = classifier.calibrate(HELD_OUT, TRUTH)
    for arguments, error, match in (
        ((HELD_OUT, TRUTH[:2]), ValueError, "received 3 queries and 2 labels"),
        ((HELD_OUT, [1, 2, 3]), TypeError, "labels must be of the kind .* such as 'right', received 1"),
        ((HELD_OUT, ["right", None, "up"]), ValueError, "label 1 is missing"),
        ((HELD_OUT, ["left"] * 3), ValueError, "no query is right, of 3 that were received"),
        ((np.empty((0, 2)), []), ValueError, "no query is right, of 0 that were received"),
        (([[np.nan, 1.0]], ["up"]), ValueError, "row 0"),
        (([[1.0, 0.0, 0.0]], ["up"]), ValueError, "features"),
    ):
        with pytest.raises(error, match=match):
            classifier.calibrate(*arguments)
    for options, match in (
        ({"positive": "correct"}, "positive must be one of right, known, received 'correct'"),
        ({"precision": 0.5, "recall": 0.5}, "one of precision, recall, false_positive_rate can be wanted"),
        ({"recall": 2}, "recall must be a number from 0 to 1, received 2"),
    ):
        with pytest.raises(ValueError, match=match):
            classifier.calibrate(HELD_OUT, TRUTH, **options)
    with pytest.raises(ValueError, match="every query is right: a false-positive rate needs others"):
        classifier.calibrate(HELD_OUT[:2], TRUTH[:2], false_positive_rate=0.1)
    with pytest.raises(ValueError, match=r"no threshold has a precision of at least 0\.9: the best is 0\.5,"):
        classifier.calibrate([[1.0, 9.0], [8.0, 9.0], [9.0, 9.0]], ["right", "up", "up"], precision=0.9)
    assert classifier.calibration_ is kept


def test_unknown_needs_a_threshold_and_a_threshold_needs_unknown():
    classifier = right_up()
    with pytest.raises(ValueError, match=r"call calibrate\(\) with held-out queries, or pass threshold="):
        classifier.predict(HELD_OUT, unknown="?")
    with pytest.raises(ValueError, match="threshold= needs unknown="):
        classifier.predict(HELD_OUT, threshold=0.5)
    for threshold in (1.5, -1.5, np.nan, "0.5", True):
        with pytest.raises(ValueError, match="threshold must be a similarity from -1 to 1, received"):
            classifier.predict(HELD_OUT, unknown="?", threshold=threshold)


def test_several_labels_a_code_have_no_unknown_one():
    classifier = lk.CosineKNNClassifier().fit(RIGHT_UP, [[1, 0], [0, 1]])
    with pytest.raises(TypeError, match="unknown= takes one label a code, and fit was given several"):
        classifier.predict(HELD_OUT, unknown=2, threshold=0.5)
    with pytest.raises(TypeError, match="calibrate takes one label a code"):
        classifier.calibrate(HELD_OUT, [0, 1, 2])


def test_a_classifier_that_is_not_fitted_says_so():
    for call in (
        lambda: lk.CosineKNNClassifier().calibrate(HELD_OUT, TRUTH),
        lambda: lk.CosineKNNClassifier().predict(HELD_OUT, unknown="?", threshold=0.5),
        lambda: lk.CosineKNNClassifier().explain_prediction(HELD_OUT),
    ):
        with pytest.raises(NotFittedError):
            call()


# How long a threshold stays


def test_pickles_keep_the_threshold_and_clones_do_not():
    classifier = right_up()
    calibration = classifier.calibrate(HELD_OUT, TRUTH)
    loaded = pickle.loads(pickle.dumps(classifier))
    assert loaded.calibration_.threshold == calibration.threshold
    assert repr(loaded.calibration_) == repr(calibration)
    answers = classifier.predict(HELD_OUT, unknown="?").tolist()
    assert loaded.predict(HELD_OUT, unknown="?").tolist() == answers == ["right", "up", "?"]
    assert b"latentknn.classification.thresholds" not in pickle.dumps(classifier)
    assert clone(classifier).calibration_ is None


def test_fit_forgets_the_threshold_and_partial_fit_keeps_it():
    classifier = right_up()
    kept = classifier.calibrate(HELD_OUT, TRUTH)
    classifier.partial_fit([[-1.0, 0.1]], ["left"])
    assert classifier.calibration_ is kept
    assert classifier.predict(HELD_OUT, unknown="?").tolist() == ["right", "up", "left"]
    with pytest.raises(ValueError, match="row 0"):
        classifier.fit([[np.inf, 0.0]], ["right"])
    assert classifier.calibration_ is kept
    assert classifier.fit(RIGHT_UP, ["right", "up"]).calibration_ is None
