"""Each measure of an evaluation equals its definition, or scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew
from sklearn.calibration import calibration_curve
from sklearn.metrics import classification_report, confusion_matrix, ndcg_score
from sklearn.neighbors import NearestNeighbors

import evaluation_reference
import latentknn as lk
import reference
from latentknn.evaluation import Vote, evaluate, evaluated_codes
from latentknn.evaluation.evaluated_codes import EvaluatedCodes
from latentknn.evaluation.measures import duplicates
from latentknn.evaluation.measures.calibration import measure_calibration
from scale import scaled

KS = (1, 3, 7)


def clusters(seed, count, class_count=4, dim=6, spread=0.8):
    """Return codes around centres, with their classes; some are small integers, so that many tie."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, class_count, count)
    codes = rng.standard_normal((class_count, dim))[classes] + spread * rng.standard_normal((count, dim))
    return (np.round(2 * codes) if seed % 2 else codes).astype(np.float32), classes


def of(codes, labels, test=None):
    return EvaluatedCodes.of(codes, labels, test, "auto", None)


# Neighbours


@pytest.mark.parametrize("seed", range(4))
def test_a_code_is_left_out_of_its_own_neighbours(seed):
    """Among copies and zeros too, where others of the same similarity come first."""
    codes, classes = clusters(seed, 60)
    codes[10:20], codes[30:34] = codes[10], 0
    evaluated = of(codes, classes)
    for k in (1, 5, 59):
        scores, positions = evaluated.nearest(np.arange(60), k)
        expected = evaluated.index.search_self(k, scores64=True)
        assert np.array_equal(positions, expected.positions)
        assert scores.tobytes() == expected.scores64.tobytes()


def test_parts_and_threads_change_no_byte(monkeypatch):
    codes, classes = clusters(1, 200)
    whole = evaluate(codes, classes, duplicates_above=0.9).to_json()
    assert evaluate(codes, classes, duplicates_above=0.9, threads=1).to_json() == whole
    monkeypatch.setattr(evaluated_codes, "_NEIGHBOURS_AT_ONCE", 150)
    assert evaluate(codes, classes, duplicates_above=0.9).to_json() == whole


# Retrieval


@pytest.mark.parametrize("leave_one_out", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_retrieval_equals_its_definitions(seed, leave_one_out):
    codes, labels = clusters(seed, 90)
    labels[0] = 7  # a class of one
    items, truth = (codes, labels) if leave_one_out else clusters(seed + 10, 40)
    result = evaluate(codes, labels, test=None if leave_one_out else (items, truth), ks=KS).retrieval
    hits = labels[evaluation_reference.ranking(codes, items, leave_one_out=leave_one_out)] == truth[:, None]
    relevant = hits.sum(axis=1)
    assert (result.items, result.left_out) == (np.sum(relevant > 0), np.sum(relevant == 0))
    for number, k in enumerate(KS):
        each = [
            evaluation_reference.retrieval(row.tolist(), int(count), k)
            for row, count in zip(hits, relevant, strict=True)
            if count
        ]
        found = (
            *(column[number] for column in (result.precision, result.recall, result.hit_rate, result.ndcg)),
            result.r_precision,
            result.map_at_r,
        )
        assert found == pytest.approx(np.mean(each, axis=0), rel=1e-12)


def test_ndcg_and_precision_equal_those_of_scikit_learn():
    codes, labels = clusters(0, 150)
    items, truth = clusters(2, 50)
    result = evaluate(codes, labels, test=(items, truth), ks=KS)
    scores = reference.scores(codes, items)
    relevance = (labels == truth[:, None]).astype(float)
    for k, ndcg in zip(KS, result.retrieval.ndcg, strict=True):
        assert ndcg == pytest.approx(ndcg_score(relevance, scores, k=k), rel=1e-12)
    classifier = lk.CosineKNNClassifier().fit(codes, labels)
    assert result.retrieval.precision[0] == pytest.approx(classifier.score(items, truth))
    assert (
        result.retrieval.hit_rate[0] == result.retrieval.precision[0] == pytest.approx(result.nearest.value)
    )


def test_perfect_codes_have_perfect_retrieval():
    codes, labels = np.repeat(np.eye(5), 6, axis=0), np.repeat(list("abcde"), 6)
    result = evaluate(codes, labels, ks=(1, 5)).retrieval
    assert result.r_precision == result.map_at_r == 1
    assert result.precision == result.ndcg == result.hit_rate == (1, 1)
    assert result.recall == pytest.approx((1 / 5, 1))


# Calibration


@pytest.mark.parametrize("vote", [Vote(10), Vote(10, "similarity"), Vote(5, "softmax")])
def test_calibration_equals_that_of_scikit_learn(vote):
    codes, labels = clusters(0, 400, spread=1.5)
    result = evaluate(codes, labels, vote=vote)
    shares, right = result.items.shares, result.items.predictions == labels
    bins = result.calibration.bins
    accuracies, means = calibration_curve(right, shares, n_bins=10)
    assert [each.accuracy.value for each in bins] == pytest.approx(accuracies)
    assert [each.mean_share for each in bins] == pytest.approx(means)
    assert sum(each.accuracy.total for each in bins) == 400
    assert all(each.low < each.mean_share <= each.high + 1e-9 for each in bins)
    expected = evaluation_reference.calibration_error(shares, right)
    assert result.calibration.expected_error == pytest.approx(expected)


def test_shares_that_are_always_kept_have_no_calibration_error():
    shares, right = np.repeat([0.5, 1.0], [10, 4]), np.repeat([True, False, True], [5, 5, 4])
    result = measure_calibration(shares, right)
    assert result.expected_error == 0
    assert [(each.low, each.high, each.accuracy.total) for each in result.bins] == [
        (0.4, 0.5, 10),
        (0.9, 1, 4),
    ]


# Confusion


def test_confusion_and_class_scores_equal_those_of_scikit_learn():
    codes, labels = clusters(0, 300, spread=1.5)
    names = np.array(["ant", "bee", "cat", "accuracy"])
    result = evaluate(codes, names[labels])
    truth, predictions = (
        np.array(result.class_names)[each] for each in (result.items.classes, result.items.predictions)
    )
    matrix = confusion_matrix(truth, predictions, labels=result.class_names)
    assert np.array_equal(result.classification.confusion_matrix(), matrix)
    assert truth.tolist() == names[labels].tolist()
    off_diagonal = {
        (result.class_names[row], result.class_names[column]): matrix[row, column]
        for row, column in zip(*np.nonzero(matrix), strict=True)
        if row != column
    }
    assert {(pair.truth, pair.predicted): pair.count for pair in result.confused} == off_diagonal
    counts = [pair.count for pair in result.confused]
    assert counts == sorted(counts, reverse=True)
    for pair in result.confused:
        assert pair.share == pytest.approx(pair.count / np.sum(truth == pair.truth))
    for score in result.class_scores:
        row = classification_report(truth == score.name, predictions == score.name, output_dict=True)["True"]
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            (row["precision"], row["recall"], row["f1-score"])
        )
        assert score.items == score.codes == row["support"]


# Hubs


@pytest.mark.parametrize("leave_one_out", [True, False])
def test_hubs_equal_counts_of_scikit_learns_neighbours(leave_one_out):
    codes, labels = clusters(0, 300)
    items, truth = (codes, labels) if leave_one_out else clusters(2, 100)
    hubs = evaluate(codes, labels, test=None if leave_one_out else (items, truth)).hubs
    search = NearestNeighbors(n_neighbors=10, metric="cosine").fit(codes)
    found = search.kneighbors(None if leave_one_out else items, return_distance=False)
    occurrences = np.bincount(found.ravel(), minlength=300)
    wrong = np.bincount(found[labels[found] != truth[:, None]], minlength=300)
    assert hubs.k == 10
    assert hubs.never == np.sum(occurrences == 0)
    assert hubs.skewness == pytest.approx(skew(occurrences))
    assert hubs.occurrences.tolist() == sorted(occurrences, reverse=True)[:20]
    assert np.array_equal(occurrences[hubs.codes], hubs.occurrences)
    assert np.array_equal(wrong[hubs.codes], hubs.misleading)


def test_a_planted_hub_comes_first():
    rng = np.random.default_rng(0)
    codes = np.vstack([rng.standard_normal((50, 40)), np.zeros(40)])
    codes[-1] = codes[:-1].sum(axis=0)
    hubs = evaluate(codes, np.arange(51) % 3).hubs
    assert hubs.codes[0] == 50
    assert hubs.skewness > 0


# Near-duplicates


@pytest.mark.parametrize("leave_one_out", [True, False])
@pytest.mark.parametrize("threshold", [0.6, 0.95, 1.0])
def test_all_pairs_above_a_similarity_are_found(leave_one_out, threshold):
    """One group of 40 copies is larger than the number of neighbours that the other measures need."""
    codes, labels = clusters(0, 120)
    codes[5:45] = codes[5]
    codes[60] = 4 * codes[61]
    items, truth = (codes, labels) if leave_one_out else (codes[40:100].copy(), labels[40:100])
    found = evaluate(
        codes, labels, test=None if leave_one_out else (items, truth), duplicates_above=threshold
    ).duplicates
    scores = reference.scores(codes, items)
    expected = evaluation_reference.duplicate_pairs(scores, threshold, leave_one_out=leave_one_out)
    pairs = list(zip(found.items.tolist(), found.codes.tolist(), strict=True))
    assert found.complete
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected
    assert np.array_equal(found.similarities, scores[found.items, found.codes])
    assert (np.diff(found.similarities) <= 0).all()
    assert np.array_equal(found.same_class, truth[found.items] == labels[found.codes])
    if leave_one_out:
        np.fill_diagonal(scores, -1)
    assert found.items_with == np.sum(scores.max(axis=1) >= threshold)


def test_planted_copies_in_the_test_set_are_found():
    codes, labels = clusters(0, 200)
    items, truth = clusters(2, 100)
    planted = {3: 150, 40: 7, 99: 0}
    for item, code in planted.items():
        items[item] = 3 * codes[code] + 1e-4
    found = evaluate(codes, labels, test=(items, truth), duplicates_above=0.999999).duplicates
    assert dict(zip(found.items.tolist(), found.codes.tolist(), strict=True)) == planted


def test_collapsed_codes_do_not_fill_the_memory_with_pairs(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST_PAIRS", 1_000)
    found = evaluate(np.ones((300, 4)), np.arange(300) % 3).duplicates
    assert not found.complete
    assert len(found.items) == 1_000
    assert found.items_with == 300


# Label errors


@pytest.mark.parametrize("seed", range(scaled(3)))
def test_flipped_labels_of_digits_are_the_most_suspected(seed):
    """20 labels of 1,797 are wrong; digits also has items whose true labels look wrong."""
    digits = lk.datasets.load("digits")
    images = np.concatenate([digits.train_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.test_labels]).astype(np.int64)
    rng = np.random.default_rng(seed)
    flipped = rng.choice(len(labels), 20, replace=False)
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, 20)) % 10
    suspected = evaluate(images.reshape(len(images), -1), labels).label_errors
    assert len(set(suspected.items[:20].tolist()) & set(flipped.tolist())) >= 17


def test_suspicion_is_the_share_of_neighbours_with_other_labels():
    codes, labels = clusters(0, 200, spread=1.2)
    names = np.array(list("wxyz"))[labels]
    result = evaluate(codes, names)
    found = names[reference.search_self(codes, 15).positions]
    assert result.items.suspicions == pytest.approx(np.mean(found != names[:, None], axis=1))
    suspects = result.label_errors
    assert suspects.k == 15
    assert np.array_equal(suspects.suspicions, result.items.suspicions[suspects.items])
    assert (np.diff(suspects.suspicions) <= 0).all()
    outvoted = 0
    for item, row in enumerate(found.tolist()):
        others = [row.count(name) for name in set(row) - {names[item]}]
        outvoted += max(others, default=0) > row.count(names[item])
    assert suspects.total == outvoted
    for item, suggestion in zip(suspects.items.tolist(), suspects.suggestions, strict=True):
        row = found[item].tolist()
        assert suggestion != names[item]
        assert row.count(suggestion) == max(row.count(name) for name in set(row) - {names[item]})


# Outliers


def test_outliers_equal_scikit_learns_distances():
    codes, labels = clusters(0, 300)
    # One code points where no other does.
    codes = np.pad(codes, ((0, 0), (0, 1)))
    codes[17] = np.eye(7)[6]
    result = evaluate(codes, labels)
    distances = NearestNeighbors(n_neighbors=10, metric="cosine").fit(codes).kneighbors()[0][:, -1]
    assert result.items.distances == pytest.approx(distances, abs=1e-6)
    outliers = result.outliers
    assert (outliers.k, len(outliers.items)) == (10, 20)
    assert outliers.median == pytest.approx(np.median(distances), abs=1e-6)
    assert outliers.items[0] == 17
    assert np.array_equal(outliers.distances, np.sort(result.items.distances)[::-1][:20])
    assert np.array_equal(outliers.distances, result.items.distances[outliers.items])
