"""The evidence for predictions: neighbours, weights, votes and margins, beside a short definition."""

from __future__ import annotations

import numpy as np
import pytest

import cases
import latentknn as lk
import reference

NAMES = np.array(["ant", "bee", "cat", "dog"])


@pytest.mark.parametrize("weights", ["uniform", "similarity", "softmax", "distance"])
@pytest.mark.parametrize(
    "kind", ["gaussian", "duplicates", "signs", "opposite_halves", "zero_rows", "all_equal"]
)
@pytest.mark.parametrize("k", [1, 2, 7])
def test_evidence_is_that_of_the_definition_and_of_the_predictions(weights, kind, k):
    codes, queries = cases.build(kind, 0, 100, 60, 8)
    labels = np.random.default_rng(0).choice(NAMES, 100)
    classifier = lk.CosineKNNClassifier(k, weights=weights).fit(codes, labels)
    explanation = classifier.explain_prediction(queries)

    expected = reference.search(codes, queries, k)
    assert explanation.positions.tobytes() == expected.positions.tobytes()
    assert explanation.ids.tobytes() == expected.ids.tobytes()
    assert explanation.similarities.tobytes() == expected.scores64.tobytes()
    assert explanation.labels.tolist() == labels[expected.positions].tolist()
    assert_fits_predictions(classifier, explanation, queries)
    for query in range(60):
        votes = dict.fromkeys(NAMES.tolist(), 0.0)
        for label, weight in zip(explanation.labels[query], explanation.weights[query], strict=True):
            votes[str(label)] += weight
        assert explanation.votes[query].tolist() == list(votes.values())
        first, second = sorted(votes.values(), reverse=True)[:2]
        margin = (first - second) / sum(votes.values())
        assert explanation.margins[query] == pytest.approx(margin, rel=0, abs=1e-12)


def assert_fits_predictions(classifier, explanation, queries):
    """Assert that an explanation has the bytes of what the classifier answers otherwise."""
    predictions, shares = classifier.predict(queries), classifier.predict_proba(queries)
    assert explanation.predictions.dtype == predictions.dtype
    assert explanation.predictions.tolist() == predictions.tolist()
    assert explanation.classes.tolist() == classifier.classes_.tolist()
    votes = explanation.votes
    assert (votes / votes.sum(axis=1, keepdims=True)).tobytes() == shares.tobytes()
    distances, positions = classifier.kneighbors(queries)
    assert (1.0 - explanation.similarities).tobytes() == distances.tobytes()
    assert explanation.positions.tobytes() == positions.tobytes()


def test_every_training_code_is_explained_by_the_others():
    codes, _ = cases.build("gaussian", 0, 50, 1, 8)
    classifier = lk.CosineKNNClassifier(3).fit(codes, np.arange(50) % 3)
    assert_fits_predictions(classifier, classifier.explain_prediction(None), None)


def test_the_nearest_decides_where_the_margin_is_zero():
    classifier = lk.CosineKNNClassifier(2).fit([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
    explanation = classifier.explain_prediction([[3.0, 4.0], [4.0, 3.0]])
    assert explanation.margins.tolist() == [0.0, 0.0]
    assert explanation.predictions.tolist() == explanation.labels[:, 0].tolist() == ["up", "right"]


def test_one_class_has_all_of_the_votes():
    classifier = lk.CosineKNNClassifier(2).fit([[1.0, 0.0], [0.0, 1.0]], [5, 5])
    explanation = classifier.explain_prediction([[3.0, 4.0]])
    assert (explanation.margins.tolist(), explanation.votes.tolist()) == ([1.0], [[2.0]])


def test_ids_are_those_of_the_index():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], ["right", "up"], ids=[-7, 2**60])
    explanation = lk.CosineKNNClassifier.from_index(index).explain_prediction([[1.0, 5.0]])
    assert (explanation.ids.tolist(), explanation.positions.tolist()) == ([[2**60]], [[1]])


def test_codes_that_count_as_several_have_the_weight_of_so_many():
    codes = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0]]
    classifier = lk.CosineKNNClassifier(3).fit(codes, [0, 0, 1, 1], sample_weight=[0, 2, 2, 1])
    explanation = classifier.explain_prediction([[1.0, 0.0]])
    counted = explanation.weights[0] > 0
    assert explanation.positions[0, counted].tolist() == [1, 2]
    assert explanation.weights[0, counted].tolist() == [2.0, 1.0]
    assert explanation.votes.tolist() == [[2.0, 1.0]]
    assert classifier.predict_proba([[1.0, 0.0]]).tolist() == (explanation.votes / 3).tolist()


def test_each_output_has_its_explanation():
    codes, queries = cases.build("gaussian", 0, 50, 10, 8)
    labels = np.stack([np.arange(50) % 3, np.arange(50) % 2], axis=1)
    classifier = lk.CosineKNNClassifier(5).fit(codes, labels)
    explanations = classifier.explain_prediction(queries)
    predictions = np.stack([each.predictions for each in explanations], axis=1)
    assert predictions.tolist() == classifier.predict(queries).tolist()
    for explanation, shares in zip(explanations, classifier.predict_proba(queries), strict=True):
        assert (explanation.votes / 5).tobytes() == shares.tobytes()


def test_no_queries_have_no_evidence():
    classifier = lk.CosineKNNClassifier(2).fit([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    explanation = classifier.explain_prediction(np.empty((0, 2)))
    assert explanation.positions.shape == explanation.weights.shape == (0, 2)
    assert explanation.votes.shape == (0, 2)
    assert len(explanation.predictions) == len(explanation.margins) == 0


def test_parts_of_an_explanation_are_of_one_vote():
    """A function of weights that answers differently each time is asked once."""
    rng = np.random.default_rng(0)
    codes, labels = rng.standard_normal((90, 4)), np.arange(90) % 3
    classifier = lk.CosineKNNClassifier(7, weights=lambda distances: rng.random(distances.shape))
    explanation = classifier.fit(codes, labels).explain_prediction(rng.standard_normal((50, 4)))
    assert np.array_equal(explanation.predictions, explanation.classes[explanation.votes.argmax(axis=1)])
    assert (explanation.margins >= 0).all()
