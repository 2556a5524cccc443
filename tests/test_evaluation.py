"""The functions of an experiment one by one."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

import latentknn as lk
import reference
from latentknn.evaluation import (
    CANDIDATES,
    Accuracy,
    Classification,
    Neighbours,
    Stopwatch,
    Vote,
    VoteScore,
    best_vote,
    evaluate,
    find_neighbours,
    hold_out,
    project,
    sample_like,
    score_votes,
)

# Accuracy


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_of_newcombe(correct, total, low, high):
    accuracy = Accuracy(correct, total)
    assert accuracy.interval() == pytest.approx((low, high), abs=5e-5)
    mirrored = Accuracy(total - correct, total)
    assert mirrored.interval() == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize(("confidence", "z"), [(0.95, 1.959963985), (0.99, 2.575829304), (0.5, 0.67448975)])
def test_wilson_interval_solves_its_equation(confidence, z):
    accuracy = Accuracy(8_612, 10_000)
    for end in accuracy.interval(confidence):
        assert abs(end - 0.8612) == pytest.approx(z * math.sqrt(end * (1 - end) / 10_000), rel=1e-6)


def test_interval_stays_within_0_and_1():
    assert Accuracy(0, 3).interval()[0] == 0
    assert Accuracy(3, 3).interval()[1] == 1


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_an_impossible_accuracy_is_refused(correct, total):
    with pytest.raises(ValueError, match=f"received {correct} correct answers of {total}"):
        Accuracy(correct, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Accuracy(1, 2).interval(confidence)


# Splitting


@pytest.mark.parametrize("count", [1, 7, 100, 250, 499])
def test_hold_out_is_stratified(count):
    labels = np.random.default_rng(0).choice(4, 500, p=[0.5, 0.3, 0.19, 0.01])
    kept, held_out = hold_out(labels, count, seed=3)
    assert len(held_out) == count
    assert np.array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(500))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()
    shares = np.bincount(labels, minlength=4) * count / 500
    assert (np.abs(np.bincount(labels[held_out], minlength=4) - shares) < 1).all()


def test_hold_out_depends_on_the_seed_alone():
    labels = np.arange(300) % 3
    first, again, other = (hold_out(labels, 30, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_hold_out_reaches_every_row():
    labels = np.arange(40) % 2
    chosen = [hold_out(labels, 4, seed)[1] for seed in range(200)]
    counts = np.bincount(np.concatenate(chosen), minlength=40)
    assert counts.min() > 5
    assert counts.max() < 45


@pytest.mark.parametrize("count", [0, -1, 10, 11])
def test_hold_out_leaves_rows_on_either_side(count):
    with pytest.raises(ValueError, match=f"cannot hold out {count} of 10 rows"):
        hold_out(np.zeros(10, np.int64), count, seed=0)


# Neighbours and votes


@pytest.fixture(scope="module")
def noisy_classes():
    """Return codes of five overlapping classes and queries of known class."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((5, 12))
    labels, truth = rng.integers(0, 5, 900), rng.integers(0, 5, 200)
    codes, queries = (
        (centres[classes] + 1.3 * rng.standard_normal((len(classes), 12))).astype(np.float32)
        for classes in (labels, truth)
    )
    return codes, labels, queries, truth


def test_one_search_gives_the_votes_of_the_classifier(noisy_classes):
    codes, labels, queries, truth = noisy_classes
    index = lk.CosineIndex.from_codes(codes, labels)
    neighbours = find_neighbours(index, queries, 31, 5)
    for vote in CANDIDATES:
        classifier = lk.CosineKNNClassifier(vote.k, weights=vote.weights, temperature=vote.temperature)
        expected = classifier.fit(codes, labels).predict(queries)
        assert np.array_equal(neighbours.predict(vote), expected), vote
    scores = score_votes(neighbours, truth)
    assert [score.vote for score in scores] == list(CANDIDATES)
    for score in scores:
        assert score.accuracy.value == accuracy_score(truth, neighbours.predict(score.vote))
    assert len({score.accuracy.correct for score in scores}) > 3


def test_encodings_are_compared_with_their_own_class():
    """A query has an encoding for each class; equal neighbours are ordered by position."""
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(-2, 3, (60, 3)).astype(np.float32), rng.integers(0, 4, 60)
    queries = rng.integers(-2, 3, (4, 20, 3)).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, labels)
    found = find_neighbours(index, queries, 5, 4)
    for query in range(20):
        everyone = [
            (-reference.scores(codes[row : row + 1], queries[label, query : query + 1])[0, 0], row)
            for row, label in enumerate(labels)
        ]
        nearest = sorted(everyone)[:5]
        assert found.similarities[query].tolist() == [-similarity for similarity, _ in nearest]
        assert found.classes[query].tolist() == [labels[row] for _, row in nearest]
    with pytest.raises(ValueError, match=r"codes of class \d, the smallest"):
        find_neighbours(index, queries, 60, 4)


def test_codes_are_imitated():
    """The drawn codes have the groups, means and spreads of the given codes, in the same directions."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((40, 3)))[0].T
    centres = np.float64([[10, 0, 0], [0, 10, 0], [0, 0, -10]])
    group = rng.choice(3, 3000, p=[0.5, 0.3, 0.2])
    codes = ((centres[group] + rng.standard_normal((3000, 3)) * [1, 0.3, 2]) @ axes).astype(np.float32)
    drawn = sample_like(codes, 3000, seed=1)
    assert drawn.shape == (3000, 40)
    assert drawn.dtype == np.float32
    inside = drawn @ axes.T
    np.testing.assert_allclose(inside @ axes, drawn, atol=1e-2)
    nearest = np.linalg.norm(inside[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / 3000, [0.5, 0.3, 0.2], atol=0.04)
    for number, centre in enumerate(centres):
        np.testing.assert_allclose(inside[nearest == number].mean(axis=0), centre, atol=0.3)
        np.testing.assert_allclose(inside[nearest == number].std(axis=0), [1, 0.3, 2], atol=0.3)
    assert np.array_equal(drawn, sample_like(codes, 3000, seed=1))
    assert not np.array_equal(drawn, sample_like(codes, 3000, seed=2))
    assert sample_like(np.ones((5, 2), np.float32), 3).tolist() == [[1, 1]] * 3
    with pytest.raises(ValueError, match="received 1 codes to draw 3 from, expected at least two finite"):
        sample_like(codes[:1], 3)


def test_a_vote_of_more_neighbours_than_found_is_refused():
    neighbours = Neighbours(np.ones((1, 2)), np.zeros((1, 2), np.int64), 1)
    with pytest.raises(ValueError, match="a vote of 3 neighbours needs a search for as many, received 2"):
        neighbours.predict(Vote(3))


def test_an_index_without_labels_is_refused():
    with pytest.raises(ValueError, match="no labels"):
        find_neighbours(lk.CosineIndex.from_codes(np.eye(3)), np.eye(3), 1, 1)


def test_best_vote_is_the_first_of_equal_ones():
    scores = [VoteScore(Vote(1), Accuracy(600, 900))]
    for k, gained, lost in [(3, 60, 20), (5, 70, 30), (7, 45, 5), (9, 40, 60)]:
        scores.append(VoteScore(Vote(k), Accuracy(600 + gained - lost, 900), gained, lost))
    assert best_vote(scores) == Vote(3)


def test_a_vote_that_few_queries_cannot_tell_from_the_first_does_not_replace_it():
    """The digits have 108 held-out images: two more correct answers may be chance."""
    first = VoteScore(Vote(1), Accuracy(92, 108))
    luck = VoteScore(Vote(5), Accuracy(94, 108), gained=5, lost=3)
    clear = VoteScore(Vote(9), Accuracy(104, 108), gained=13, lost=1)
    assert luck.gain()[0] < 0 < luck.gain()[1]
    assert clear.gain()[0] > 0
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, received 95"):
        clear.gain(95)
    assert best_vote([first, luck]) == Vote(1)
    assert best_vote([first, luck, clear]) == Vote(9)


def test_the_interval_of_a_gain_agrees_with_a_bootstrap():
    """The interval agrees with a bootstrap of the paired outcomes."""
    rng = np.random.default_rng(4)
    first, second = rng.random(400) < 0.8, rng.random(400) < 0.85
    neighbours = Neighbours(np.ones((400, 3)), np.zeros((400, 3), np.int64), 2)
    gained, lost = int(np.sum(second & ~first)), int(np.sum(first & ~second))
    low, high = VoteScore(Vote(3), Accuracy(int(second.sum()), 400), gained, lost).gain()
    draws = rng.integers(400, size=(20_000, 400))
    differences = (second[draws].astype(int) - first[draws]).mean(axis=1)
    np.testing.assert_allclose([low, high], np.quantile(differences, [0.025, 0.975]), atol=0.004)
    same = score_votes(neighbours, np.zeros(400, np.int64), [Vote(1), Vote(3)])
    assert [(score.gained, score.lost, score.gain()) for score in same] == [(0, 0, (0, 0))] * 2


def test_candidates():
    assert CANDIDATES[0] == Vote(1)
    assert len(set(CANDIDATES)) == len(CANDIDATES)
    assert [vote.k for vote in CANDIDATES] == sorted(vote.k for vote in CANDIDATES)


# Classification


def test_confusion_matrix_and_report():
    truth = np.array([0, 0, 0, 2, 2, 0])
    predictions = np.array([0, 2, 0, 2, 2, 0])
    result = Classification(Vote(1), truth, predictions, ("bag", "coat", "shoe"))
    assert result.confusion_matrix().tolist() == [[3, 0, 1], [0, 0, 0], [0, 0, 2]]
    assert result.accuracy == Accuracy(5, 6)
    report = result.report()
    assert report["bag"] == {
        "precision": 1.0,
        "recall": 0.75,
        "f1-score": pytest.approx(6 / 7),
        "support": 4.0,
    }
    assert report["coat"]["support"] == 0
    assert report["shoe"]["precision"] == pytest.approx(2 / 3)
    text = result.report_text()
    assert all(name in text for name in ("bag", "coat", "shoe", "precision", "0.7500", "weighted avg"))


# Projection


def test_projection_keeps_similar_codes_together():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    codes = (5 * np.eye(3, 8)[labels] + rng.standard_normal((90, 8))).astype(np.float32)
    codes *= rng.uniform(0.01, 100, (90, 1)).astype(np.float32)  # The lengths do not matter.
    positions = project(codes, seed=0)
    assert positions.shape == (90, 2)
    assert np.isfinite(positions).all()
    centres = np.array([positions[labels == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(positions[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.95
    assert np.array_equal(project(codes * 4, seed=0), positions)


@pytest.mark.parametrize("dim", [1, 2])
def test_projection_of_few_dimensions_and_zero_codes(dim):
    codes = np.random.default_rng(0).standard_normal((20, dim)).astype(np.float32)
    codes[3] = 0
    assert np.isfinite(project(codes, seed=0)).all()


def test_a_projection_of_too_few_codes_is_refused():
    with pytest.raises(ValueError, match="at least 3 codes, received 2"):
        project(np.ones((2, 4), np.float32), seed=0)


# Stages


def test_a_stopwatch_records_the_stages_that_end():
    announced = []
    stopwatch = Stopwatch(announced.append)
    with stopwatch.measure("train", 0, "images") as stage:
        stage.items = 12
    with pytest.raises(KeyError), stopwatch.measure("fail", 1, "images"):
        raise KeyError
    with stopwatch.measure("encode", 5, "images"):
        pass
    assert [(stage.name, stage.items) for stage in stopwatch.stages] == [("train", 12), ("encode", 5)]
    assert announced == stopwatch.stages
    assert all(stage.seconds > 0 for stage in stopwatch.stages)
    stopwatch.stages[0].seconds = 0.5
    assert str(stopwatch.stages[0]) == "train: 12 images in 0.50 s, 24.0 images/s"


def test_a_stopwatch_shows_the_progress_of_its_stages():
    shown = []

    @contextmanager
    def show(name):
        shown.append(name)
        yield lambda done, total: shown.append((done, total))
        shown.append(f"end of {name}")

    stopwatch = Stopwatch(show=show)
    with stopwatch.measure("search", 5, "queries") as stage:
        stage.progress(5, 5)
    with stopwatch.measure("train", 5, "images", shows_itself=True) as stage:
        assert stage.progress is False
    assert shown == ["search", (5, 5), "end of search"]
    with Stopwatch().measure("search", 5, "queries") as stage:
        assert stage.progress is False
    with pytest.raises(KeyError), stopwatch.measure("fail", 1, "images"):
        raise KeyError
    assert [stage.name for stage in stopwatch.stages] == ["search", "train"]


def test_an_evaluation_shows_its_stages():
    told = {}

    @contextmanager
    def show(name):
        told[name] = []
        yield lambda done, total: told[name].append((done, total))

    rng = np.random.default_rng(0)
    codes, labels = rng.standard_normal((40, 6)), np.arange(40) % 3
    result = evaluate(codes, labels, stopwatch=Stopwatch(show=show))
    assert result.to_json() == evaluate(codes, labels).to_json()
    assert list(told) == ["build index", "search neighbours", "measure retrieval", "find near-duplicates"]
    for stage in ("search neighbours", "measure retrieval"):
        assert told[stage][-1] == (40, 40)
