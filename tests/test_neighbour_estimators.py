"""Neighbours, graphs and regression as estimators of scikit-learn, weights of votes, and partial fits."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, Isomap
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import cases
import latentknn as lk
import reference
from scale import scaled

DIGITS, TARGETS = load_digits(return_X_y=True)
CODES, QUERIES, LABELS = DIGITS[:300], DIGITS[300:360], TARGETS[:300]


@parametrize_with_checks(
    [
        lk.CosineNeighbors(),
        lk.CosineNeighbors(n_neighbors=2, mode="connectivity", n_jobs=1),
        lk.CosineKNNRegressor(),
        lk.CosineKNNRegressor(n_neighbors=2, weights="distance"),
        lk.CosineKNNRegressor(n_neighbors=3, weights="softmax"),
        lk.CosineKNNClassifier(n_neighbors=3, weights="distance"),
        lk.CosineKNNClassifier(n_neighbors=3, weights=np.exp),
    ]
)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


# Weights of codes


@pytest.mark.parametrize("weights", ["uniform", "similarity", "softmax", "distance", np.exp])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_code_of_some_weight_is_so_many_copies_of_it(weights, k):
    rng = np.random.default_rng(k)
    counts = rng.integers(0, 4, len(CODES))
    copies = np.repeat(np.arange(len(CODES)), counts)
    targets = rng.standard_normal(len(CODES))
    queries = np.concatenate([QUERIES, CODES[:9]])
    weighted = lk.CosineKNNClassifier(k, weights=weights).fit(CODES, LABELS, sample_weight=counts)
    repeated = lk.CosineKNNClassifier(k, weights=weights).fit(CODES[copies], LABELS[copies])
    assert np.array_equal(weighted.predict(queries), repeated.predict(queries))
    assert np.allclose(weighted.predict_proba(queries), repeated.predict_proba(queries), rtol=1e-12)
    means = [
        lk.CosineKNNRegressor(k, weights=weights).fit(CODES[rows], targets[rows], of_rows).predict(queries)
        for rows, of_rows in ((slice(None), counts), (copies, None))
    ]
    assert np.allclose(*means, rtol=1e-9, atol=1e-12)


def test_weights_of_one_change_no_byte():
    ones = lk.CosineKNNClassifier(5, weights="softmax").fit(CODES, LABELS, np.ones(len(CODES)))
    none = lk.CosineKNNClassifier(5, weights="softmax").fit(CODES, LABELS)
    for queries in (QUERIES, None):
        assert ones.predict_proba(queries).tobytes() == none.predict_proba(queries).tobytes()


def test_of_the_farthest_neighbour_a_part_is_counted():
    codes, labels = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]], [0, 1, 2, 2]
    shares = lk.CosineKNNClassifier(1).fit(codes, labels, [0.25, 0.5, 2, 1]).predict_proba([[1.0, 0.0]])
    assert shares.tolist() == [[0.25, 0.5, 0.25]]
    grown = lk.CosineKNNClassifier(1).fit(codes, labels, [0, 0, 0, 1]).partial_fit([[1.0, 0.3]], [1])
    assert grown.predict([[1.0, 0.0]]).tolist() == [1]


def test_a_training_code_of_some_weight_does_not_vote_for_itself():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, 40)
    weighted = lk.CosineKNNClassifier(3).fit(CODES[:40], LABELS[:40], counts)
    found = weighted.predict(None)
    for number in range(40):
        others = np.arange(40) != number
        alone = lk.CosineKNNClassifier(3).fit(CODES[:40][others], LABELS[:40][others], counts[others])
        assert alone.predict(CODES[number : number + 1])[0] == found[number]


def test_weights_of_codes_that_do_not_suffice_are_refused():
    with pytest.raises(ValueError, match=r"n_neighbors is 3, but the weights of the codes add up to 2\.5"):
        lk.CosineKNNClassifier(3).fit(np.eye(3), [0, 1, 2], [1, 1.5, 0]).predict(np.eye(3))
    with pytest.raises(ValueError, match=r"must be at least 0, received -1"):
        lk.CosineKNNClassifier().fit(np.eye(3), [0, 1, 2], [1, -1, 0])
    with pytest.raises(ValueError, match="sample_weight"):
        lk.CosineKNNRegressor().fit(np.eye(3), [0, 1, 2], [1, 1])


# Several labels a code


def test_every_output_is_voted_on_by_itself():
    rng = np.random.default_rng(0)
    several = np.stack([LABELS, rng.integers(0, 3, len(LABELS)), LABELS % 2], axis=1)
    for counts in (None, rng.integers(0, 3, len(LABELS))):
        together = lk.CosineKNNClassifier(4, weights="similarity").fit(CODES, several, counts)
        for queries in (QUERIES, None):
            predicted, shares = together.predict(queries), together.predict_proba(queries)
            for column, labels in enumerate(several.T):
                alone = lk.CosineKNNClassifier(4, weights="similarity").fit(CODES, labels, counts)
                assert together.classes_[column].tolist() == alone.classes_.tolist()
                assert predicted[:, column].tolist() == alone.predict(queries).tolist()
                assert shares[column].tobytes() == alone.predict_proba(queries).tobytes()
        loaded = pickle.loads(pickle.dumps(together))
        assert loaded.predict(QUERIES).tolist() == together.predict(QUERIES).tolist()


def test_labels_of_which_a_code_has_any_number():
    flags = np.random.default_rng(0).integers(0, 2, (len(CODES), 4))
    multi = lk.CosineKNNClassifier(3).fit(CODES, flags)
    wanted = KNeighborsClassifier(3, metric="cosine", algorithm="brute").fit(CODES, flags)
    assert np.array_equal(multi.predict(QUERIES), wanted.predict(QUERIES))
    assert multi.score(CODES, flags) == wanted.score(CODES, flags)
    with pytest.raises(TypeError, match="one label a code"):
        multi.partial_fit(CODES, flags)
    assert multi.fit(CODES, LABELS).predict(QUERIES).shape == (60,)


# Graphs


@pytest.mark.parametrize("kind", ["gaussian", "duplicates", "zero_rows", "all_equal"])
@pytest.mark.parametrize("k", [1, 4])
def test_graphs_are_those_of_the_reference(kind, k):
    codes, queries = cases.build(kind, 0, 30, 9, 5)
    neighbours = lk.CosineNeighbors(k).fit(codes)
    for given, expected in (
        (queries, reference.search(codes, queries, k)),
        (None, reference.search_self(codes, k)),
    ):
        distances, positions = neighbours.kneighbors(given)
        assert positions.tolist() == expected.positions.tolist()
        assert distances.tobytes() == (1.0 - expected.scores64).tobytes()
        graph = neighbours.kneighbors_graph(given, mode="distance")
        assert graph.shape == (len(positions), 30)
        assert graph.indices.tolist() == positions.ravel().tolist()
        assert graph.data.tobytes() == distances.tobytes()
        ones = neighbours.kneighbors_graph(given)
        assert ones.indices.tolist() == graph.indices.tolist()
        assert (ones.data == 1).all()


@pytest.mark.parametrize("kind", ["gaussian", "duplicates", "zero_rows", "all_equal"])
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("k", [1, 4])
def test_a_graph_of_the_training_codes_has_each_code_first(kind, mode, k):
    codes, _ = cases.build(kind, 0, 30, 1, 5)
    graph = lk.CosineNeighbors(k, mode=mode).fit_transform(codes)
    others = k - (mode == "connectivity")
    positions = graph.indices.reshape(30, others + 1)
    assert positions[:, 0].tolist() == list(range(30))
    if others:
        expected = reference.search_self(codes, others)
        assert positions[:, 1:].tolist() == expected.positions.tolist()
        entries = graph.data.reshape(30, others + 1)[:, 1:]
        assert np.array_equal(
            entries, 1.0 - expected.scores64 if mode == "distance" else np.ones_like(entries)
        )


def test_queries_have_one_neighbour_more_in_a_graph_of_distances():
    neighbours = lk.CosineNeighbors(5).fit(CODES)
    assert neighbours.transform(QUERIES).nnz == 6 * len(QUERIES)
    assert neighbours.set_params(mode="connectivity").transform(QUERIES).nnz == 5 * len(QUERIES)
    assert neighbours.get_feature_names_out().tolist()[-1] == "cosineneighbors299"


def test_neighbours_are_those_of_scikit_learn():
    wanted = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(CODES)
    found = lk.CosineNeighbors().fit(CODES)
    for queries in (QUERIES, None):
        distances, positions = wanted.kneighbors(queries)
        mine, at = found.kneighbors(queries)
        assert np.allclose(mine, distances, atol=1e-7)
        assert (at == positions).mean() > 0.99


def test_dbscan_isomap_and_tsne_take_the_graph():
    exact = np.clip(pairwise_distances(CODES, metric="cosine"), 0, None)
    of_graph = make_pipeline(lk.CosineNeighbors(299), DBSCAN(eps=0.08, metric="precomputed")).fit_predict(
        CODES
    )
    assert of_graph.tolist() == DBSCAN(eps=0.08, metric="precomputed").fit_predict(exact).tolist()
    assert len(set(of_graph.tolist())) > 3
    places = make_pipeline(lk.CosineNeighbors(12), Isomap(n_neighbors=12, metric="precomputed"))
    wanted = Isomap(n_neighbors=12, metric="precomputed").fit_transform(exact)
    assert np.allclose(np.abs(places.fit_transform(CODES)), np.abs(wanted), atol=1e-6)
    tsne = TSNE(metric="precomputed", init="random", perplexity=8, max_iter=250, random_state=0)
    assert np.isfinite(make_pipeline(lk.CosineNeighbors(25), tsne).fit_transform(CODES)).all()


def test_a_loaded_pickle_finds_alike():
    for estimator in (lk.CosineNeighbors().fit(CODES), lk.CosineKNNRegressor().fit(CODES, LABELS)):
        loaded = pickle.loads(pickle.dumps(estimator))
        for mine, its in zip(estimator.kneighbors(QUERIES), loaded.kneighbors(QUERIES), strict=True):
            assert mine.tobytes() == its.tobytes()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "distances"}, "mode must be"),
        ({"n_neighbors": 0}, "n_neighbors must be"),
        ({"n_neighbors": True}, "n_neighbors must be"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        lk.CosineNeighbors(**parameters).fit(CODES)
    with pytest.raises(ValueError, match="mode must be"):
        lk.CosineNeighbors().fit(CODES).kneighbors_graph(mode="no")


# Regression and weights


def inverse(distances):
    with np.errstate(divide="ignore"):
        return np.where((distances == 0).any(axis=1, keepdims=True), distances == 0, 1 / distances)


@pytest.mark.parametrize(
    ("weights", "naive"),
    [
        ("uniform", np.ones_like),
        ("similarity", lambda distances: np.maximum(1 - distances, 0)),
        ("softmax", lambda distances: np.exp(-distances / 0.07)),
        ("distance", inverse),
        (lambda distances: 1 / (1 + distances), lambda distances: 1 / (1 + distances)),
        (np.zeros_like, np.ones_like),
    ],
)
def test_means_and_votes_are_those_of_the_definition(weights, naive):
    rng = np.random.default_rng(0)
    codes = np.concatenate([CODES, CODES[:3]])
    queries = np.concatenate([QUERIES, codes[:5]])
    targets = rng.standard_normal((len(codes), 2))
    classes = rng.integers(0, 3, len(codes))
    scores = reference.search(codes, queries, 4)
    values = naive(1 - scores.scores64).astype(np.float64)
    for y in (targets, targets[:, 0]):
        predicted = lk.CosineKNNRegressor(4, weights=weights).fit(codes, y).predict(queries)
        assert predicted.shape == (len(queries), *y.shape[1:])
        for number, row in enumerate(scores.positions):
            mean = np.average(y[row], axis=0, weights=values[number])
            assert np.allclose(predicted[number], mean, rtol=1e-12, atol=1e-12)
    shares = lk.CosineKNNClassifier(4, weights=weights).fit(codes, classes).predict_proba(queries)
    for number, row in enumerate(scores.positions):
        votes = np.bincount(classes[row], weights=values[number], minlength=3)
        assert np.allclose(shares[number], votes / votes.sum(), rtol=1e-12)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_weights_agree_with_scikit_learn(weights):
    queries = np.concatenate([QUERIES, CODES[:5]])
    settings = {"n_neighbors": 5, "weights": weights}
    theirs = {**settings, "metric": "cosine", "algorithm": "brute"}
    wanted = KNeighborsRegressor(**theirs).fit(CODES, LABELS).predict(QUERIES)
    assert np.allclose(lk.CosineKNNRegressor(**settings).fit(CODES, LABELS).predict(QUERIES), wanted)
    wanted = KNeighborsClassifier(**theirs).fit(CODES, LABELS).predict(queries)
    assert np.array_equal(lk.CosineKNNClassifier(**settings).fit(CODES, LABELS).predict(queries), wanted)


def test_a_training_code_does_not_predict_itself():
    regressor = lk.CosineKNNRegressor(1).fit([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], [1.0, 2.0, 3.0])
    assert regressor.predict(None).tolist() == [2.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("none", "weights must be one of uniform, similarity, softmax, distance, or a function"),
        (3, "weights must be one of"),
        (lambda distances: distances[0], r"weights\(\) must return an array of shape \(60, 3\)"),
        (lambda distances: -np.ones_like(distances), "at least 0"),
        (lambda distances: np.full_like(distances, np.nan), "finite"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    for kind in (lk.CosineKNNClassifier, lk.CosineKNNRegressor):
        with pytest.raises(ValueError, match=message):
            kind(3, weights=weights).fit(CODES, LABELS).predict(QUERIES)


# Partial fits


@pytest.mark.parametrize("names", [False, True])
def test_partial_fits_answer_as_one_fit(names):
    for seed in range(scaled(5)):
        rng = np.random.default_rng(seed)
        codes = rng.integers(-1, 2, (200, 6)).astype(np.float32)
        labels = np.sort(rng.integers(0, 12, 200))
        given = np.array([f"class {'x' * label}" for label in labels]) if names else labels
        parts = np.sort(rng.integers(1, 200, 4))
        grown = lk.CosineKNNClassifier(3, weights="softmax")
        for some, of_some in zip(np.split(codes, parts), np.split(given, parts), strict=True):
            if len(some) > 0:
                assert grown.partial_fit(some, of_some) is grown
        fitted = lk.CosineKNNClassifier(3, weights="softmax").fit(codes, given)
        assert grown.classes_.tolist() == fitted.classes_.tolist()
        assert grown.n_samples_fit_ == 200
        for queries in (codes[:40] + 0.5, None):
            assert grown.predict(queries).tolist() == fitted.predict(queries).tolist()
            assert grown.predict_proba(queries).tobytes() == fitted.predict_proba(queries).tobytes()
        loaded = pickle.loads(pickle.dumps(grown))
        assert loaded.partial_fit(codes[:1], given[:1]).n_samples_fit_ == 201


def test_classes_may_be_named_before_they_are_seen():
    grown = lk.CosineKNNClassifier().partial_fit([[1.0, 0.0]], [2], classes=[3, 1, 2])
    assert grown.classes_.tolist() == [1, 2, 3]
    assert grown.predict_proba([[1.0, 1.0]]).tolist() == [[0, 1, 0]]
    assert grown.partial_fit([[0.0, 1.0]], [0]).classes_.tolist() == [0, 1, 2, 3]


def test_a_partial_fit_packs_nothing_anew(monkeypatch):
    grown = lk.CosineKNNClassifier().fit(CODES, LABELS)
    index = grown.index_
    monkeypatch.setattr(grown, "_build_index", None)
    grown.partial_fit(QUERIES[:2], [3, 4])
    assert grown.index_ is index
    assert len(index) == len(CODES) + 2


@pytest.mark.parametrize(
    ("codes", "labels", "error"),
    [
        (np.ones((2, 3)), [1, 2], ValueError),
        (np.full((1, 64), np.nan), [1], ValueError),
        (QUERIES[:2], [1], ValueError),
        (QUERIES[:2], ["a", "b"], ValueError),
        (QUERIES[:2], [0.5, 1.5], ValueError),
    ],
)
def test_a_partial_fit_that_is_refused_changes_nothing(codes, labels, error):
    grown = lk.CosineKNNClassifier().fit(CODES, LABELS)
    before = pickle.dumps(grown)
    with pytest.raises(error):
        grown.partial_fit(codes, labels)
    assert pickle.dumps(grown) == before


def test_an_index_of_somebody_else_is_not_changed():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    with pytest.raises(TypeError, match="add codes to that index"):
        lk.CosineKNNClassifier.from_index(index).partial_fit(QUERIES[:1], [1])
    assert len(index) == len(CODES)


def test_partial_fit_takes_strings_of_any_kind():
    strings = np.array(["a", "b"], object)
    clf = lk.CosineKNNClassifier().partial_fit(np.eye(2), strings).partial_fit(-np.eye(2), strings)
    clf.partial_fit([[1.0, 1.0]], ["c"], classes=[])
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert clf.predict([[-1.0, 0.1], [1.0, 1.1]]).tolist() == ["a", "c"]


def test_codes_of_no_weight_are_as_if_they_were_not_there():
    codes = np.array([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.5, 0.5]])
    targets, weights = np.array([0.0, 100.0, 10.0, 20.0]), np.array([1.0, 0.0, 1.0, 1.0])
    there = weights > 0
    regressor = lk.CosineKNNRegressor(2, weights="distance")
    expected = regressor.fit(codes[there], targets[there]).predict(None)
    found = regressor.fit(codes, targets, sample_weight=weights).predict(None)
    assert found[there].tolist() == expected.tolist()

    labels, codes = np.array(list("qBAB")), np.array([[1, 0], [1, 0.01], [1, 0.1], [1, 0.2]])
    clf = lk.CosineKNNClassifier(2)
    expected = clf.fit(codes[there], labels[there]).predict(None)
    assert clf.fit(codes, labels, sample_weight=weights).predict(None)[there].tolist() == expected.tolist()


def test_ten_weights_of_a_tenth_count_as_one():
    clf = lk.CosineKNNClassifier(1).fit(np.eye(10), np.arange(10), sample_weight=np.full(10, 0.1))
    assert clf.predict(np.eye(10)[:1]).tolist() == [0]


def test_neighbours_without_weight_decide_no_tie():
    codes, labels = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]], ["B", "A", "B"]
    clf = lk.CosineKNNClassifier(3, weights=lambda distances: (distances > 0).astype(float))
    assert clf.fit(codes, labels).predict([[1.0, 0.0]]).tolist() == ["A"]


def test_masked_targets_are_refused():
    targets = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    with pytest.raises(ValueError, match="row 1 of the targets is masked"):
        lk.CosineKNNRegressor(1).fit(np.eye(3), targets)
