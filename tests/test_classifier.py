"""The scikit-learn classifier: estimator checks, votes and neighbours."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import cases
import latentknn as lk
import reference
from latentknn.classification import vote


@parametrize_with_checks(
    [
        lk.CosineKNNClassifier(),
        lk.CosineKNNClassifier(n_neighbors=3, weights="similarity", n_jobs=1),
        lk.CosineKNNClassifier(n_neighbors=2, weights="softmax", temperature=0.5),
    ]
)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


# Votes


def naive_votes(classes, scores, weights, temperature, class_count):
    """Return the votes of one query, and the class that wins."""
    if weights == "uniform" or (weights == "similarity" and max(scores) <= 0):
        values = [1.0] * len(scores)
    elif weights == "similarity":
        values = [max(score, 0.0) for score in scores]
    else:
        values = [float(np.exp((score - max(scores)) / temperature)) for score in scores]
    votes = [0.0] * class_count
    for name, value in zip(classes, values, strict=True):
        votes[name] += value
    return votes, next(name for name in classes if votes[name] == max(votes))


@pytest.mark.parametrize("weights", vote.WEIGHTS)
@pytest.mark.parametrize(
    "kind", ["gaussian", "duplicates", "signs", "opposite_halves", "zero_rows", "all_equal"]
)
@pytest.mark.parametrize("n_neighbors", [1, 2, 7, 100])
def test_votes_are_those_of_the_definition(weights, kind, n_neighbors):
    codes, queries = cases.build(kind, 0, 100, 60, 8)
    labels = np.random.default_rng(0).choice(["ant", "bee", "cat", "dog"], 100)
    classifier = lk.CosineKNNClassifier(n_neighbors, weights=weights, temperature=0.2).fit(codes, labels)
    expected = reference.search(codes, queries, n_neighbors)
    classes = np.unique(labels, return_inverse=True)[1]

    shares, winners = [], []
    for positions, scores in zip(expected.positions, expected.scores64.tolist(), strict=True):
        votes, winner = naive_votes(classes[positions].tolist(), scores, weights, 0.2, 4)
        shares.append([vote / sum(votes) for vote in votes])
        winners.append(["ant", "bee", "cat", "dog"][winner])

    assert classifier.classes_.tolist() == ["ant", "bee", "cat", "dog"]
    assert classifier.predict(queries).tolist() == winners
    np.testing.assert_allclose(classifier.predict_proba(queries), shares, rtol=1e-13, atol=0)


@pytest.mark.parametrize("weights", vote.WEIGHTS)
def test_ties_go_to_the_nearest(weights):
    """Two classes have the same two similarities; b sorts after a, but its row comes first."""
    codes = [[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, -1.0]]
    classifier = lk.CosineKNNClassifier(4, weights=weights).fit(codes, ["b", "a", "b", "a"])
    assert classifier.predict([[1.0, 0.0]]).tolist() == ["b"]
    assert classifier.predict_proba([[1.0, 0.0]]).tolist() == [[0.5, 0.5]]
    swapped = lk.CosineKNNClassifier(4, weights=weights).fit(codes, ["a", "b", "a", "b"])
    assert swapped.predict([[1.0, 0.0]]).tolist() == ["a"]


def test_ties_go_to_the_nearest_not_to_the_first_row():
    codes = [[0.0, 1.0], [1.0, 1.0]]
    classifier = lk.CosineKNNClassifier(2).fit(codes, ["a", "b"])
    assert classifier.predict([[1.0, 0.0], [0.0, 1.0]]).tolist() == ["b", "a"]


def test_neighbours_that_point_away_have_no_vote_in_similarity():
    codes = [[1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]]
    classifier = lk.CosineKNNClassifier(3, weights="similarity").fit(codes, ["a", "b", "b"])
    assert classifier.predict_proba([[1.0, 0.0], [0.0, 0.0]]).tolist() == [[1.0, 0.0], [1 / 3, 2 / 3]]
    assert classifier.predict([[1.0, 0.0], [0.0, 0.0]]).tolist() == ["a", "b"]


def test_votes_in_slices_are_the_same(monkeypatch):
    codes, queries = cases.build("signs", 0, 200, 101, 6)
    classifier = lk.CosineKNNClassifier(9).fit(codes, np.arange(200) % 13)
    at_once = classifier.predict(queries)
    monkeypatch.setattr(vote, "_VOTES_AT_ONCE", 30)
    assert classifier.predict(queries).tolist() == at_once.tolist()


def test_at_a_low_temperature_the_nearest_neighbour_decides():
    codes, queries = cases.build("gaussian", 1, 100, 60, 8)
    labels = np.arange(100) % 4
    softmax = lk.CosineKNNClassifier(100, weights="softmax", temperature=1e-9).fit(codes, labels)
    nearest = lk.CosineKNNClassifier(1).fit(codes, labels)
    assert softmax.predict(queries).tolist() == nearest.predict(queries).tolist()
    assert np.isfinite(softmax.predict_proba(queries)).all()


# Neighbours


def test_kneighbors_are_those_of_the_reference():
    codes, queries = cases.build("mixture", 2, 100, 60, 8)
    classifier = lk.CosineKNNClassifier(3).fit(codes, np.arange(100) % 4)
    for k in (None, 1, 100):
        expected = reference.search(codes, queries, k or 3)
        distances, positions = classifier.kneighbors(queries, k)
        assert distances.dtype == np.float64
        assert distances.tobytes() == (1.0 - expected.scores64).tobytes()
        assert positions.tobytes() == expected.positions.tobytes()
        assert classifier.kneighbors(queries, k, return_distance=False).tobytes() == positions.tobytes()


def test_a_training_code_is_not_its_own_neighbour():
    """Each row leaves itself out, but not its duplicates."""
    codes, _ = cases.build("duplicates", 3, 100, 0, 8)
    classifier = lk.CosineKNNClassifier(3).fit(codes, np.arange(100) % 4)
    expected = reference.search_self(codes, 99)
    distances, positions = classifier.kneighbors(n_neighbors=99)
    assert positions.tobytes() == expected.positions.tobytes()
    assert distances.tobytes() == (1.0 - expected.scores64).tobytes()
    assert classifier.kneighbors(return_distance=False).tolist() == expected.positions[:, :3].tolist()


def test_more_neighbours_than_codes_are_refused():
    classifier = lk.CosineKNNClassifier(4).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match=r"n_neighbors is 4, .* 3 codes"):
        classifier.predict(np.eye(3))
    with pytest.raises(ValueError, match=r"n_neighbors is 3, .* 2 codes other than each itself"):
        classifier.kneighbors(n_neighbors=3)


def test_agrees_with_scikit_learn():
    """On these images rounding decides nothing: no two candidates of a query are within 1e-12."""
    images, labels = load_digits(return_X_y=True)
    codes, queries, code_labels, truth = images[:1200], images[1200:], labels[:1200], labels[1200:]
    ordered = np.sort(reference.scores(codes, queries), axis=1)[:, ::-1]
    for k in (1, 3, 5):
        decided = ordered[:, k - 1] - ordered[:, k] > 1e-12
        ours = lk.CosineKNNClassifier(k).fit(codes, code_labels)
        theirs = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(codes, code_labels)
        same_neighbours = np.sort(ours.kneighbors(queries, return_distance=False)) == np.sort(
            theirs.kneighbors(queries, return_distance=False)
        )
        assert decided.mean() > 0.99
        assert same_neighbours[decided].all()
        votes = np.sort(ours.predict_proba(queries), axis=1)
        unique_winner = decided & (votes[:, -1] > votes[:, -2])
        assert (ours.predict(queries) == theirs.predict(queries))[unique_winner].all()
        np.testing.assert_allclose(
            ours.predict_proba(queries)[decided], theirs.predict_proba(queries)[decided], rtol=1e-12
        )
        assert ours.score(queries, truth) == np.mean(ours.predict(queries) == truth) > 0.9


# Parameters and input


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("n_neighbors", value) for value in (0, -1, 1.5, True, None, "3")),
        *(("weights", value) for value in ("distances", None, np.ones(3), 1)),
        *(("temperature", value) for value in (0.0, -1.0, np.nan, np.inf, "warm", None)),
        *(("n_jobs", value) for value in (0,)),
        *(("engine", value) for value in ("no such thing",)),
    ],
)
def test_parameters_out_of_range_are_refused(parameter, value):
    with pytest.raises(ValueError, match=rf"{parameter}|no such thing"):
        lk.CosineKNNClassifier(**{parameter: value}).fit(np.eye(3), [0, 1, 2])


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, -2, -100])
def test_number_of_jobs_changes_nothing(n_jobs):
    codes, queries = cases.build("mixture", 4, 100, 60, 8)
    classifier = lk.CosineKNNClassifier(7, weights="softmax", n_jobs=n_jobs).fit(codes, np.arange(100) % 4)
    alone = lk.CosineKNNClassifier(7, weights="softmax", n_jobs=1).fit(codes, np.arange(100) % 4)
    assert classifier.predict_proba(queries).tobytes() == alone.predict_proba(queries).tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "bool", "object"])
def test_input_is_rounded_once(dtype):
    """Validation must not convert to another type before the single rounding to float32."""
    import ml_dtypes

    values = np.random.default_rng(5).standard_normal((90, 6)) * 3
    values = values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    rounded = values.astype(np.float32)
    classifier = lk.CosineKNNClassifier(5).fit(values[:60], np.arange(60) % 4)
    assert classifier.index_.codes.tobytes() == rounded[:60].tobytes()
    distances, positions = classifier.kneighbors(values[60:])
    expected = reference.search(rounded[:60], rounded[60:], 5)
    assert distances.tobytes() == (1.0 - expected.scores64).tobytes()
    assert positions.tobytes() == expected.positions.tobytes()


def test_large_integers_are_rounded_once():
    values = np.array([[2**60 + 2**36 + 1, 1], [1, 2**54 + 2**30 + 1]])
    classifier = lk.CosineKNNClassifier().fit(values, [0, 1])
    assert np.diag(classifier.index_.codes).tolist() == [2.0**60 + 2.0**37, 2.0**54 + 2.0**31]


class OnlyDLPack:
    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def tensorflow_tensor(array):
    import tensorflow as tf

    return tf.constant(array)


@pytest.mark.parametrize("wrap", [OnlyDLPack, tensorflow_tensor, np.asfortranarray])
def test_arrays_of_other_libraries_are_read(wrap):
    codes, queries = cases.build("gaussian", 6, 100, 60, 8)
    labels = np.arange(100) % 4
    classifier = lk.CosineKNNClassifier(3).fit(
        wrap(codes), wrap(labels) if wrap is tensorflow_tensor else labels
    )
    plain = lk.CosineKNNClassifier(3).fit(codes, labels)
    assert classifier.n_features_in_ == 8
    assert classifier.predict(wrap(queries)).tolist() == plain.predict(queries).tolist()


def test_no_queries_have_no_answers():
    classifier = lk.CosineKNNClassifier(2).fit(np.eye(3), ["a", "b", "c"])
    assert classifier.predict(np.empty((0, 3))).shape == (0,)
    assert classifier.predict_proba(np.empty((0, 3))).shape == (0, 3)


def test_sparse_input_is_refused():
    with pytest.raises(TypeError, match="dense"):
        lk.CosineKNNClassifier().fit(sparse.csr_array(np.eye(3)), [0, 1, 2])
    classifier = lk.CosineKNNClassifier().fit(np.eye(3), [0, 1, 2])
    with pytest.raises(TypeError, match="dense"):
        classifier.predict(sparse.csr_array(np.eye(3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_invalid_rows_are_named(value):
    codes = np.eye(5)
    classifier = lk.CosineKNNClassifier().fit(codes, np.arange(5))
    codes[3, 1] = value
    with pytest.raises(ValueError, match=r"\brow 3\b"):
        lk.CosineKNNClassifier().fit(codes, np.arange(5))
    with pytest.raises(ValueError, match=r"\brow 3\b"):
        classifier.predict(codes)


def test_a_failed_fit_changes_nothing():
    """A fit that fails leaves the classifier answering as before."""
    classifier = lk.CosineKNNClassifier().fit(np.eye(3), ["a", "b", "c"])
    with pytest.raises(ValueError, match="row 1"):
        classifier.fit([[1.0, 0.0, 0.0], [np.nan, 0.0, 0.0]], ["d", "e"])
    assert classifier.predict(np.eye(3)).tolist() == ["a", "b", "c"]


def test_a_classifier_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        lk.CosineKNNClassifier().predict(np.eye(3))
    with pytest.raises(NotFittedError):
        lk.CosineKNNClassifier().kneighbors()


def test_callers_may_change_their_arrays_afterwards():
    codes, labels = np.eye(3, dtype=np.float32), np.array(["a", "b", "c"])
    classifier = lk.CosineKNNClassifier().fit(codes, labels)
    codes[...], labels[...] = 7, "z"
    assert classifier.predict(np.eye(3)).tolist() == ["a", "b", "c"]


# Within scikit-learn


def test_a_loaded_pickle_answers_alike(monkeypatch):
    """A pickle holds codes and labels; the machine that loads it decides on index, threads and kernel."""
    from latentknn import _core

    codes, queries = cases.build("mixture", 7, 100, 60, 8)
    classifier = lk.CosineKNNClassifier(5, weights="softmax", n_jobs=2).fit(codes, np.arange(100) % 4)
    distances, positions = classifier.kneighbors(queries)
    content = pickle.dumps(classifier)
    for isa in _core.available_isas():
        monkeypatch.setenv("LATENTKNN_ISA", isa)
        copy = pickle.loads(content)
        assert copy.index_.isa == isa
        assert copy.get_params() == classifier.get_params()
        assert copy.predict(queries).tolist() == classifier.predict(queries).tolist()
        assert [array.tobytes() for array in copy.kneighbors(queries)] == [
            distances.tobytes(),
            positions.tobytes(),
        ]
    assert isinstance(classifier.index_, lk.CosineIndex)
    unfitted = pickle.loads(pickle.dumps(lk.CosineKNNClassifier(9)))
    assert unfitted.n_neighbors == 9


def test_a_clone_has_the_parameters_but_no_index():
    classifier = lk.CosineKNNClassifier(5, weights="softmax", temperature=0.3, n_jobs=1).fit(
        np.eye(5), range(5)
    )
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert not hasattr(copy, "index_")


def test_pipeline_and_grid_search():
    images, labels = load_digits(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), lk.CosineKNNClassifier())
    grid = {
        "cosineknnclassifier__n_neighbors": [1, 5, 300],
        "cosineknnclassifier__weights": ["uniform", "softmax"],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(images, labels)
    assert search.best_params_["cosineknnclassifier__n_neighbors"] < 300
    assert search.best_score_ > 0.9
    assert cross_val_score(search.best_estimator_, images, labels, cv=3).mean() > 0.9


def test_labels_keep_their_type():
    for labels in (["a", "b", "c"], [3, 1, 2], [True, False, True], np.array(["x", "yy", "z"], dtype=object)):
        classifier = lk.CosineKNNClassifier().fit(np.eye(3), labels)
        assert classifier.predict(np.eye(3)).tolist() == list(labels)
        assert classifier.predict(np.eye(3)).dtype == np.asarray(labels).dtype
    assert Counter(classifier.predict(np.eye(3))) == Counter(["x", "yy", "z"])
