"""All neighbours within a radius, as scikit-learn's estimators give them."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import cases
import latentknn as lk
import reference
from latentknn.classification import radius as radius_module
from scale import scaled

DIGITS = load_digits(return_X_y=True)[0]
CODES, QUERIES = DIGITS[:300], DIGITS[300:360]

KINDS = [
    "gaussian",
    "duplicates",
    "zero_rows",
    "only_zero_rows",
    "all_equal",
    "signs",
    "last_bits",
    "parallel",
]


@parametrize_with_checks(
    [lk.CosineNeighbors(None, radius=0.4), lk.CosineNeighbors(None, mode="connectivity", radius=0.2)]
)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


def within(codes, queries, radius, *, own=False, sort=False):
    """Return distances and positions of each query's codes within a radius, by the definition."""
    scores = reference.scores(codes, queries)
    found = []
    for number, row in enumerate(1.0 - scores):
        columns = np.flatnonzero(row <= radius)
        if own:
            columns = columns[columns != number]
        if sort:
            columns = columns[np.lexsort((columns, -scores[number][columns]))]
        found.append((row[columns], columns))
    return [distances for distances, _ in found], [positions for _, positions in found]


def radii_of(codes, queries, rng):
    """Return radii that are distances themselves, their neighbours, and others."""
    distances = (1.0 - reference.scores(codes, queries)).ravel()
    some = rng.choice(distances, 4)
    return [0.0, 0.3, 1.0, 2.0, 5.0, *some, *np.nextafter(some, -1.0).clip(0), *np.nextafter(some, 3.0)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    assert found.dtype == object
    for mine, wanted in zip(found, expected, strict=True):
        assert mine.dtype == wanted.dtype
        assert mine.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sort", [False, True])
def test_neighbours_within_a_radius_are_those_of_the_reference(kind, sort):
    for seed in range(scaled(2)):
        rng = np.random.default_rng(seed)
        codes, queries = cases.build(kind, seed, 40, 9, 5)
        neighbours = lk.CosineNeighbors().fit(codes)
        for radius in radii_of(codes, queries, rng):
            for given, expected in (
                (queries, within(codes, queries, radius, sort=sort)),
                (None, within(codes, codes, radius, own=True, sort=sort)),
            ):
                distances, positions = neighbours.radius_neighbors(given, radius, sort_results=sort)
                assert_same(distances, expected[0])
                assert_same(positions, expected[1])
                alone = neighbours.radius_neighbors(given, radius, return_distance=False, sort_results=sort)
                assert_same(alone, expected[1])
                for mode in ("distance", "connectivity"):
                    graph = neighbours.radius_neighbors_graph(given, radius, mode, sort_results=sort)
                    assert graph.shape == (len(positions), 40)
                    assert graph.dtype == np.float64
                    assert graph.indptr.tolist() == np.cumsum([0, *map(len, positions)]).tolist()
                    assert graph.indices.tolist() == [at for row in positions for at in row]
                    entries = np.concatenate([*distances, np.empty(0)])
                    assert (
                        graph.data.tolist() == (entries if mode == "distance" else entries * 0 + 1).tolist()
                    )


def test_what_kneighbors_finds_within_the_radius_is_found_with_the_same_bytes():
    neighbours = lk.CosineNeighbors(300).fit(CODES)
    distances, positions = neighbours.kneighbors(QUERIES)
    radius = float(distances[7, 20])
    mine, at = neighbours.radius_neighbors(QUERIES, radius, sort_results=True)
    for number in range(len(QUERIES)):
        chosen = distances[number] <= radius
        assert mine[number].tobytes() == distances[number][chosen].tobytes()
        assert at[number].tobytes() == positions[number][chosen].tobytes()


def test_neighbours_within_a_radius_are_those_of_scikit_learn():
    theirs = NearestNeighbors(radius=0.07, metric="cosine", algorithm="brute").fit(CODES)
    ours = lk.CosineNeighbors(radius=0.07).fit(CODES)
    for queries in (QUERIES, None):
        their_distances, their_positions = theirs.radius_neighbors(queries, sort_results=True)
        distances, positions = ours.radius_neighbors(queries, sort_results=True)
        assert their_positions.shape == positions.shape
        for number in range(len(positions)):
            assert their_positions[number].tolist() == positions[number].tolist()
            assert np.allclose(their_distances[number], distances[number], atol=1e-7)
        for mode in ("distance", "connectivity"):
            graphs = [each.radius_neighbors_graph(queries, mode=mode) for each in (theirs, ours)]
            assert graphs[0].shape == graphs[1].shape
            assert graphs[0].nnz == graphs[1].nnz
            assert abs(graphs[0] - graphs[1]).max() < 1e-7


def test_dbscan_takes_the_graph_and_clusters_as_by_all_distances():
    for eps in (0.03, 0.06, 0.1):
        wanted = DBSCAN(eps=eps, metric="cosine").fit_predict(CODES)
        graph = (
            lk.CosineNeighbors(radius=eps)
            .fit(CODES)
            .radius_neighbors_graph(mode="distance", sort_results=True)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert DBSCAN(eps=eps, metric="precomputed").fit_predict(graph).tolist() == wanted.tolist()
            chain = make_pipeline(lk.CosineNeighbors(None, radius=eps), DBSCAN(eps=eps, metric="precomputed"))
            assert chain.fit_predict(CODES).tolist() == wanted.tolist()
    assert len(set(wanted.tolist())) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_a_graph_of_the_training_codes_has_each_code_first(kind, mode):
    codes, queries = cases.build(kind, 3, 30, 5, 4)
    neighbours = lk.CosineNeighbors(None, mode=mode, radius=0.4)
    graph = neighbours.fit_transform(codes)
    distances, positions = within(codes, codes, 0.4, own=True, sort=True)
    for number in range(30):
        row = slice(graph.indptr[number], graph.indptr[number + 1])
        assert graph.indices[row].tolist() == [number, *positions[number]]
        expected = [0.0, *distances[number]]
        assert graph.data[row].tolist() == (expected if mode == "distance" else [1.0] * len(expected))
    of_queries = neighbours.transform(queries)
    assert isinstance(of_queries, csr_matrix)
    assert of_queries.nnz == sum(map(len, within(codes, queries, 0.4)[1]))


@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_engines_that_answer_range_searches_give_the_same(engine):
    if engine == "faiss":
        pytest.importorskip("faiss")
    found = lk.CosineNeighbors(radius=0.1, engine=engine).fit(CODES)
    wanted = lk.CosineNeighbors(radius=0.1).fit(CODES)
    for mine, expected in zip(found.radius_neighbors(), wanted.radius_neighbors(), strict=True):
        assert_same(mine, expected)


def test_no_queries_have_no_neighbours():
    neighbours = lk.CosineNeighbors().fit(CODES)
    distances, positions = neighbours.radius_neighbors(np.empty((0, 64)))
    assert distances.shape == positions.shape == (0,)
    assert neighbours.radius_neighbors_graph(np.empty((0, 64))).shape == (0, 300)
    alone = lk.CosineNeighbors().fit([[1.0, 2.0]])
    assert alone.radius_neighbors(return_distance=False)[0].tolist() == []
    assert lk.CosineNeighbors(None).fit_transform([[1.0, 2.0]]).toarray().tolist() == [[0.0]]


def test_a_loaded_pickle_finds_alike():
    neighbours = lk.CosineNeighbors(None, radius=0.1).fit(CODES)
    loaded = pickle.loads(pickle.dumps(neighbours))
    for mine, its in zip(neighbours.radius_neighbors(QUERIES), loaded.radius_neighbors(QUERIES), strict=True):
        assert_same(mine, its)


@pytest.mark.parametrize("radius", [-0.1, np.nan, "1", True, None, [0.1]])
def test_what_is_no_radius_is_refused(radius):
    with pytest.raises(ValueError, match="radius must be a number of at least 0, received"):
        lk.CosineNeighbors(radius=radius).fit(CODES)
    if radius is not None:
        with pytest.raises(ValueError, match="radius must be a number of at least 0, received"):
            lk.CosineNeighbors().fit(CODES).radius_neighbors(QUERIES, radius)


def test_wrong_queries_are_refused_as_by_kneighbors():
    neighbours = lk.CosineNeighbors().fit(CODES)
    bad = QUERIES.copy()
    bad[3, 5] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        neighbours.radius_neighbors(bad)
    with pytest.raises(ValueError, match="features"):
        neighbours.radius_neighbors(QUERIES[:, :9])
    with pytest.raises(ValueError, match="mode must be"):
        neighbours.radius_neighbors_graph(QUERIES, mode="no")


def test_too_many_neighbours_are_counted_in_the_error(monkeypatch):
    monkeypatch.setattr(radius_module, "MOST_RESULTS", 1000)
    neighbours = lk.CosineNeighbors().fit(CODES)
    assert sum(map(len, neighbours.radius_neighbors(QUERIES[:3], return_distance=False))) == 900
    with pytest.raises(
        ValueError, match=r"18,000 codes are within the radius 1.0 of the 60 queries, more than 1,000"
    ):
        neighbours.radius_neighbors(QUERIES)
    with pytest.raises(ValueError, match=r"90,000 codes"):
        neighbours.radius_neighbors()


def test_kneighbors_without_a_number_wants_one():
    neighbours = lk.CosineNeighbors(None).fit(CODES)
    with pytest.raises(ValueError, match="n_neighbors must be an integer"):
        neighbours.kneighbors(QUERIES)
    assert neighbours.kneighbors(QUERIES, 3)[0].shape == (60, 3)
