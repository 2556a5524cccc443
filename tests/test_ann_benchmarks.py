"""Files of ann-benchmarks, and the module that its runner calls."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import latentknn as lk
from latentknn.datasets import DatasetCorruptError, DatasetNotFoundError, SearchProblem, from_ann_benchmarks

MODULE = Path(__file__).parents[1] / "benchmarks" / "ann_benchmarks" / "latentknn"
CODES, QUERIES, DIM, K = 300, 20, 12, 10


def _problem():
    rng = np.random.default_rng(0)
    codes, queries = (rng.standard_normal((count, DIM)).astype(np.float32) for count in (CODES, QUERIES))
    unit = codes.astype(np.float64) / np.linalg.norm(codes.astype(np.float64), axis=1, keepdims=True)
    distances = 1 - (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float64) @ unit.T
    neighbours = np.argsort(distances, axis=1)[:, :K]
    return codes, queries, neighbours, np.take_along_axis(distances, neighbours, axis=1)


@pytest.fixture
def path(tmp_path):
    """Write a file of ann-benchmarks."""
    path = tmp_path / "random-12-angular.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = "angular"
        for name, array in zip(("train", "test", "neighbors", "distances"), _problem(), strict=True):
            file[name] = array
    return path


def test_file_is_read_as_it_was_written(path):
    problem = from_ann_benchmarks(path)
    codes, queries, neighbours, distances = _problem()
    assert problem.codes.tobytes() == codes.tobytes()
    assert problem.queries.tobytes() == queries.tobytes()
    assert problem.neighbours.tobytes() == neighbours.astype(np.int64).tobytes()
    assert problem.distances.tobytes() == distances.tobytes()
    assert problem.metric == "angular"


def test_the_example_of_the_page_runs_as_printed(path, capsys, monkeypatch):
    page = Path(__file__).parents[1] / "docs" / "ann-benchmarks.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    path.rename(path.with_name("random-s-100-angular.hdf5"))
    monkeypatch.chdir(path.parent)
    exec(example, {})
    assert capsys.readouterr().out == "1.0\n"


def test_exact_search_has_the_recall_1_and_others_what_they_found(path):
    problem = from_ann_benchmarks(path)
    found = lk.cosine_search(problem.codes, problem.queries, k=K).ids
    assert problem.recall(found) == 1.0
    assert problem.recall(found[:, :3]) == 1.0
    farthest = lk.cosine_search(-problem.codes, problem.queries, k=K).ids
    assert problem.recall(farthest) == 0.0
    assert problem.recall(np.hstack([found[:, :7], farthest[:, :3]])) == pytest.approx(0.7)
    assert problem.recall(np.hstack([found[:, :8], np.full((QUERIES, 2), -1)])) == pytest.approx(0.8)


def test_recall_of_zero_vectors_is_that_of_the_contract():
    problem = SearchProblem(np.zeros((2, 3)), np.ones((1, 3)), np.array([[0]]), np.array([[1.0]]), "angular")
    assert problem.recall([[1]]) == 1.0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((QUERIES, K + 1), int), "with k from 1 to 10"),
        (np.zeros((QUERIES - 1, K), int), "must have shape"),
        (np.zeros(QUERIES, int), "must have shape"),
        (np.zeros((QUERIES, K)), "positions of the 300 codes, received float64"),
        (np.full((QUERIES, K), CODES), "up to 300"),
    ],
)
def test_recall_refuses_what_are_no_positions(path, ids, message):
    with pytest.raises(ValueError, match=message):
        from_ann_benchmarks(path).recall(ids)


def test_recall_of_another_metric_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.attrs["distance"] = "euclidean"
    problem = from_ann_benchmarks(path)
    with pytest.raises(ValueError, match="'euclidean'"):
        problem.recall(problem.neighbours)


@pytest.mark.parametrize("name", ["train", "test", "neighbors", "distances"])
def test_missing_array_is_named(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(DatasetCorruptError, match=f"random-12-angular.hdf5 has no array '{name}', but"):
        from_ann_benchmarks(path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train", np.zeros((CODES, DIM + 1)), "do not fit each other"),
        ("train", np.zeros(CODES), "do not fit each other"),
        ("neighbors", np.zeros((QUERIES, K - 1), int), "do not fit each other"),
        ("neighbors", np.full((QUERIES, K), CODES), "not positions of its 300 rows"),
        ("test", [b"text"] * QUERIES, "'test' of random-12-angular.hdf5 is no array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(path, name, array, message):
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = array
    with pytest.raises(DatasetCorruptError, match=message):
        from_ann_benchmarks(path)


def test_file_without_a_metric_is_refused(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["distance"]
    with pytest.raises(DatasetCorruptError, match="no attribute 'distance'"):
        from_ann_benchmarks(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"absent\.hdf5"):
        from_ann_benchmarks(tmp_path / "absent.hdf5")
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with pytest.raises(DatasetCorruptError, match="cannot be read as HDF5"):
        from_ann_benchmarks(tmp_path / "text.hdf5")


def test_codes_of_a_file_go_into_shards_batch_by_batch(path, tmp_path):
    with lk.shards.Writer(tmp_path / "index", dim=DIM) as writer:
        writer.extend(path, codes="train")
    found = lk.shards.open(tmp_path / "index").search(from_ann_benchmarks(path).queries, k=K)
    assert from_ann_benchmarks(path).recall(found.ids) == 1.0


@pytest.fixture
def algorithm(tmp_path, monkeypatch):
    """Lay the module where ann-benchmarks has its algorithms, beside the base class, and import it."""
    package = tmp_path / "algorithms_of_a_checkout"
    shutil.copytree(MODULE, package / "latentknn")
    (package / "base").mkdir()
    (package / "base" / "module.py").write_text("class BaseANN:\n    def __str__(self): return self.name\n")
    for folder in (package, package / "latentknn", package / "base"):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("algorithms_of_a_checkout.latentknn.module").LatentKNN


def test_module_answers_what_the_runner_asks(path, algorithm):
    problem = from_ann_benchmarks(path)
    searcher = algorithm(problem.metric)
    searcher.fit(problem.codes)
    single = np.stack([searcher.query(query, K) for query in problem.queries])
    searcher.batch_query(problem.queries, K)
    assert single.tolist() == np.asarray(searcher.get_batch_results()).tolist()
    assert problem.recall(single) == 1.0
    assert str(searcher) == "latentknn"
    assert searcher.get_additional()["latentknn_version"] == lk.__version__
    with pytest.raises(NotImplementedError, match="euclidean"):
        algorithm("euclidean")
