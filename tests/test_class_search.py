"""Search per class, and the classifier of codes that depend on a class."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import latentknn as lk
import reference
from checking import assert_same_bytes

DIM, CODES, QUERIES = 12, 900, 30


@pytest.fixture
def problem():
    """Return codes with many ties, labels of unequal classes, shuffled ids, and queries in five encodings."""
    rng = np.random.default_rng(4)
    codes = rng.integers(-2, 3, (CODES, DIM)).astype(np.float32)
    labels = np.array(["bag", "boot", "coat", "dress", "shirt"])[
        rng.choice(5, CODES, p=[0.5, 0.2, 0.2, 0.07, 0.03])
    ]
    ids = rng.permutation(10 * CODES)[:CODES]
    return codes, labels, ids, rng.integers(-2, 3, (5, QUERIES, DIM)).astype(np.float64)


@pytest.mark.parametrize("k", [1, 4])
def test_equals_the_reference(isa, strategy, problem, k):
    codes, labels, ids, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, ids, strategy=strategy, threads=2)
    for asked in (queries[0], queries):
        expected = reference.search_per_class(codes, labels, asked, k, ids=ids)
        found = index.search_per_class(asked, k, scores64=True)
        assert found.ids.shape == (5, QUERIES, k)
        assert_same_bytes(found, expected)
    similarities, found_ids = index.search_per_class(queries, k)
    assert similarities.tobytes() == found.similarities.tobytes()
    assert found_ids.tobytes() == found.ids.tobytes()


def test_screened_classes_equal_the_reference():
    """Every class has enough codes for screening."""
    rng = np.random.default_rng(1)
    codes, labels = rng.standard_normal((20_000, 20)).astype(np.float32), rng.integers(0, 3, 20_000)
    queries = rng.standard_normal((10, 20)).astype(np.float32)
    found = lk.CosineIndex.from_codes(codes, labels).search_per_class(queries, 10, scores64=True)
    assert_same_bytes(found, reference.search_per_class(codes, labels, queries, 10))


def test_added_and_removed_codes_are_searched_per_class(problem):
    codes, labels, ids, queries = problem
    index = lk.CosineIndex.from_codes(codes[:800], labels[:800], ids[:800])
    index.search_per_class(queries)
    index.add(codes[800:], labels[800:], ids[800:])
    assert_same_bytes(
        index.search_per_class(queries, 2, scores64=True),
        reference.search_per_class(codes, labels, queries, 2, ids=ids),
    )
    index.remove(ids[::2])
    assert_same_bytes(
        index.search_per_class(queries, 2, scores64=True),
        reference.search_per_class(codes[1::2], labels[1::2], queries, 2, ids=ids[1::2]),
    )


def test_no_queries_have_no_answers(problem):
    codes, labels, _, _ = problem
    index = lk.CosineIndex.from_codes(codes, labels)
    for empty in (np.empty((0, DIM)), np.empty((5, 0, DIM))):
        assert index.search_per_class(empty, 3).ids.shape == (5, 0, 3)


def test_errors_name_the_class_the_row_or_the_shape(problem):
    codes, labels, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels)
    smallest = int(np.count_nonzero(labels == "shirt"))
    with pytest.raises(
        ValueError, match=f"from 1 to {smallest}, the number of codes of class 'shirt'.*received 99"
    ):
        index.search_per_class(queries, 99)
    with pytest.raises(ValueError, match=r"hold 4 encodings of each, expected one for each of the 5 classes"):
        index.search_per_class(queries[:4])
    queries[3, 7, 2] = np.nan
    with pytest.raises(ValueError, match="searching class 'dress': row 7 of the queries contains NaN"):
        index.search_per_class(queries)
    with pytest.raises(ValueError, match="no labels"):
        lk.CosineIndex.from_codes(codes).search_per_class(queries)
    with pytest.raises(ValueError, match=f"{DIM}"):
        index.search_per_class(queries[..., 1:])


def test_the_nearest_of_any_class_wins(problem):
    codes, labels, _, queries = problem
    classifier = lk.ClassConditionalKNNClassifier().fit(codes, labels)
    expected = []
    for query in range(QUERIES):
        nearest = []
        for number, name in enumerate(classifier.classes_):
            rows = np.flatnonzero(labels == name)
            scores = reference.scores(codes[rows], queries[number, query : query + 1])[0]
            nearest += [(-score, row, name) for score, row in zip(scores, rows, strict=True)]
        expected.append(min(nearest)[2])
    assert classifier.predict(queries).tolist() == expected
    assert classifier.score(queries, expected) == 1.0


@pytest.mark.parametrize("weights", ["uniform", "similarity", "softmax"])
def test_equal_encodings_are_those_of_the_ordinary_classifier(problem, weights):
    codes, labels, _, queries = problem
    conditional = lk.ClassConditionalKNNClassifier(5, weights=weights, n_jobs=1).fit(codes, labels)
    ordinary = lk.CosineKNNClassifier(5, weights=weights).fit(codes, labels)
    assert np.array_equal(conditional.predict(queries[1]), ordinary.predict(queries[1]))
    assert np.array_equal(conditional.predict_proba(queries[1]), ordinary.predict_proba(queries[1]))


def test_classifier_is_an_estimator(problem):
    codes, labels, _, queries = problem
    classifier = lk.ClassConditionalKNNClassifier(2, weights="softmax", temperature=0.2)
    assert clone(classifier).get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        classifier.predict(queries)
    classifier.fit(codes, labels)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(queries), classifier.predict_proba(queries))
    for wrong in ({"n_neighbors": 0}, {"weights": "votes"}, {"temperature": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            clone(classifier).set_params(**wrong).fit(codes, labels)
