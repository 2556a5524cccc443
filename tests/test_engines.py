"""Behaviour that all engines share, and the table that names all engines."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
import sys

import numpy as np
import pytest
from sklearn.base import clone

import latentknn as lk
import reference
from checking import assert_same_bytes
from engine_problem import CODES, DIM, build_problem
from latentknn import engines
from latentknn.cli import main
from latentknn.engines import table
from latentknn.engines.cpu_engine import CpuEngine

EXHAUSTIVE = {
    "cpu": "cpu",
    "cuda": "cuda",
    "faiss": "faiss",
    "faiss, all lists": lk.FaissEngine("IVF16,Flat", {"nprobe": 16}),
    "faiss, rescored": lk.FaissEngine(rescore=3),
}
"""Engines that compare every code, and so find the true neighbours if no two codes are nearly alike."""


@pytest.fixture(params=EXHAUSTIVE)
def engine(request):
    if request.param == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    return EXHAUSTIVE[request.param]


@pytest.fixture(scope="module")
def problem():
    return build_problem()


# Behaviour of all engines


def test_finds_the_neighbours(engine, problem):
    codes, labels, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, engine=engine, threads=2)
    expected = reference.search(codes, queries, 10)
    found = index.search(queries, 10, scores64=True)
    assert found.similarities.dtype == np.float32
    assert found.ids.dtype == found.positions.dtype == np.int64
    assert found.scores64.dtype == np.float64
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.ids, found.positions)
    np.testing.assert_allclose(found.similarities, expected.similarities, atol=2e-6)
    assert index.search(queries, 10).scores64 is None
    assert index.recall(queries, 10) == 1
    assert index.exact == (index.engine in ("cpu", "cuda"))


def test_own_ids_labels_and_classes(engine, problem):
    codes, labels, queries = problem
    ids = np.random.default_rng(1).permutation(10 * CODES)[:CODES]
    index = lk.CosineIndex.from_codes(codes[:1000], labels[:1000], ids[:1000], engine=engine)
    index.add(codes[1000:], labels[1000:], ids[1000:])
    expected = reference.search(codes, queries, 5, ids=ids)
    found = index.search(queries, 5)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(ids[found.positions], found.ids)
    assert np.array_equal(
        index.search_per_class(queries, 3).ids,
        reference.search_per_class(codes, labels, queries, 3, ids=ids).ids,
    )


def test_ids_that_begin_later(engine, problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes[:1000], engine=engine)
    index.add(codes[1000:], ids=np.arange(5000, 5500))
    ids = np.concatenate([np.arange(1000), np.arange(5000, 5500)])
    assert np.array_equal(index.search(queries, 4).ids, reference.search(codes, queries, 4, ids=ids).ids)


def test_allowed_codes(engine, problem):
    codes, _, queries = problem
    allowed = np.random.default_rng(2).random(CODES) < 0.3
    index = lk.CosineIndex.from_codes(codes, engine=engine)
    expected = reference.search(codes, queries, 6, allowed=allowed)
    assert np.array_equal(index.search(queries, 6, allowed=allowed).ids, expected.ids)


def test_every_code_among_the_others(engine, problem):
    codes = problem[0][:500]
    found = lk.CosineIndex.from_codes(codes, engine=engine).search_self(3)
    scores = reference.scores(codes, codes)
    np.fill_diagonal(scores, -2)
    assert np.array_equal(found.ids, np.argsort(-scores, axis=1, kind="stable")[:, :3])


def test_equal_codes_among_the_others(engine):
    """The search leaves out the code's own position and finds the copies of the code."""
    codes = np.repeat(np.eye(4, dtype=np.float32), 20, axis=0)
    found = lk.CosineIndex.from_codes(codes, engine=engine).search_self(5)
    assert (found.positions != np.arange(80)[:, None]).all()
    assert (found.positions // 20 == np.arange(80)[:, None] // 20).all()
    assert (found.similarities == 1).all()


def test_removed_codes_are_gone(engine, problem):
    codes, labels, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, engine=engine)
    gone = np.arange(0, CODES, 3)
    index.remove(gone)
    kept = np.delete(np.arange(CODES), gone)
    assert index.codes.tobytes() == codes[kept].tobytes()
    expected = reference.search(codes[kept], queries, 5, ids=kept)
    assert np.array_equal(index.search(queries, 5).ids, expected.ids)


def test_zero_codes_and_queries_have_similarity_zero(engine):
    codes = np.concatenate([np.zeros((2, 3)), np.eye(3), -np.eye(3)])
    index = lk.CosineIndex.from_codes(np.tile(codes, (20, 1)), engine=engine)
    assert (index.search(np.zeros((1, 3)), 5).similarities == 0).all()
    similarities, ids = index.search([[1, 1, 1]], 160)
    assert (similarities[np.isin(ids % 8, [0, 1])] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_bad_input_changes_nothing(engine, problem, bad):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=engine)
    before = index.search(queries, 5)
    broken = codes[:10].astype(np.float64)
    broken[7, 2] = bad
    with pytest.raises(ValueError, match="row 7 of the codes"):
        index.add(broken)
    with pytest.raises(ValueError, match="row 7 of the queries"):
        index.search(broken, 5)
    with pytest.raises(ValueError, match="k must be from 1 to 1500"):
        index.search(queries, 1501)
    with pytest.raises(ValueError, match="codes must have 16 columns"):
        index.add(np.ones((2, 3)))
    assert len(index) == CODES
    assert index.search(queries, 5).ids.tobytes() == before.ids.tobytes()


def test_empty_index_and_batch(engine, problem):
    codes, _, queries = problem
    index = lk.CosineIndex(DIM, engine=engine)
    with pytest.raises(ValueError, match=r"the index is empty.*received k = 1"):
        index.search(queries, 1)
    index.add(codes)
    assert index.search(queries[:0], 3).ids.shape == (0, 3)


def test_save_and_load(engine, problem, tmp_path):
    codes, labels, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, engine=engine)
    index.save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors", engine=engine)
    assert loaded.engine == index.engine
    assert_same_bytes(loaded.search(queries, 7, scores64=True), index.search(queries, 7, scores64=True))


def test_classifier(engine, problem):
    codes, labels, queries = problem
    classifier = clone(lk.CosineKNNClassifier(5, engine=engine)).fit(codes, labels)
    expected = lk.CosineKNNClassifier(5).fit(codes, labels).predict(queries)
    assert np.array_equal(classifier.predict(queries), expected)
    assert classifier.index_.engine == (engine if isinstance(engine, str) else "faiss")
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict(queries), expected)
    assert again.index_.engine == classifier.index_.engine


# Availability and the table


def test_availability():
    found = {each.name: each for each in engines.availability()}
    assert set(found) == {"cpu", "cuda", "faiss", "faiss-gpu"}
    assert found["cuda"].exact
    assert found["cpu"].exact
    assert found["cpu"].available
    assert found["faiss"].available
    assert not found["faiss"].exact
    for each in found.values():
        assert bool(each.kernels) == each.available


def test_faiss_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"FAISS is not installed: pip install 'latentknn\[faiss\]'"):
        lk.CosineIndex(3, engine="faiss")
    missing = {each.name: each.missing for each in engines.availability()}
    assert "latentknn[faiss]" in missing["faiss"]
    assert "latentknn[faiss-gpu]" in missing["faiss-gpu"]


@pytest.mark.parametrize("name", ["cuda", "faiss-gpu"])
def test_named_engine_is_never_replaced(name):
    """An engine on the GPU that cannot be used is an error."""
    (gpu,) = (each for each in engines.availability() if each.name == name)
    if gpu.available:
        assert lk.CosineIndex(3, engine=name).engine == name
    else:
        with pytest.raises((ImportError, RuntimeError)) as caught:
            lk.CosineIndex(3, engine=name)
        assert str(caught.value) == gpu.missing


class ToyEngine(CpuEngine):
    """An engine that is known from the table alone."""

    exact = False

    @property
    def name(self):
        return "toy"

    def kernels(self):
        return "wooden blocks"


def test_an_engine_in_the_table_is_everywhere(problem, monkeypatch, capsys):
    codes, _, queries = problem
    monkeypatch.setattr(table, "ENGINES", {**engines.ENGINES, "toy": ToyEngine()})
    assert main(["engines"]) == 0
    assert re.search("^toy +no +yes +wooden blocks$", capsys.readouterr().out, re.MULTILINE)
    index = lk.CosineIndex.from_codes(codes, engine="toy")
    assert (index.engine, index.exact, index.explain().engine) == ("toy", False, "toy")
    assert np.array_equal(index.search(queries, 3).ids, reference.search(codes, queries, 3).ids)
    with pytest.raises(ValueError, match=r"on_device=True needs engine='cuda'.*'toy'"):
        index.search(queries, on_device=True)
    with pytest.raises(ValueError, match="choose one of auto, cpu, cuda, faiss, faiss-gpu, toy, or"):
        lk.CosineIndex(3, engine="top")


def engine_classes(base=engines.Engine):
    for each in base.__subclasses__():
        yield each
        yield from engine_classes(each)


def test_no_engine_is_forgotten():
    """Every engine of the package is in the table, and every name of the table is tested in this file."""
    for module in pkgutil.iter_modules(engines.__path__):
        importlib.import_module(f"latentknn.engines.{module.name}")
    own = {each for each in engine_classes() if each.__module__.startswith("latentknn.")}
    in_table = {type(each) for each in engines.ENGINES.values()}
    assert own == in_table | {type(engines.find_engine("auto"))}
    assert all(name == each.name for name, each in engines.ENGINES.items())
    assert engines.NAMES == tuple(engines.ENGINES) == tuple(each.name for each in engines.availability())
    tested = {engines.find_engine(each).name for each in EXHAUSTIVE.values()}
    assert tested == set(engines.NAMES) - {"faiss-gpu"}, "faiss-gpu differs from faiss by where it is"


@pytest.mark.parametrize("name", ["gpu", "FAISS", "", None, 3])
def test_unknown_engine(name):
    with pytest.raises(
        ValueError, match=f"unknown engine {name!r}; choose one of auto, cpu, cuda, faiss, faiss-gpu"
    ):
        lk.CosineIndex(3, engine=name)
