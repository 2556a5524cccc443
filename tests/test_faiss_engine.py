"""The engine "faiss": approximate indexes, rescoring and limits of FAISS."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
import reference
from checking import assert_same_bytes
from engine_problem import CODES, DIM, QUERIES, build_problem
from latentknn.engines import faiss_engine


@pytest.fixture(scope="module")
def problem():
    return build_problem()


def test_rescored_similarities_are_exact(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine(rescore=4))
    assert_same_bytes(index.search(queries, 10, scores64=True), reference.search(codes, queries, 10))


@pytest.mark.parametrize("rescore", [0, 4])
def test_approximate_indexes(problem, rescore):
    """An approximate index finds most neighbours, and finds more if it searches more."""
    codes, _, queries = problem
    recalls = [
        lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("IVF32,Flat", {"nprobe": n}, rescore)).recall(
            queries, 10
        )
        for n in (2, 8, 32)
    ]
    assert 0.1 < recalls[0] < recalls[1] < recalls[2] == 1
    graph = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("HNSW16", {"efSearch": 64}, rescore))
    assert graph.recall(queries, 10) > 0.8
    assert graph.strategy == "HNSW16"
    allowed = np.arange(CODES) % 2 == 0
    assert (graph.search(queries, 5, allowed=allowed).ids % 2 == 0).all()


def test_explanation_and_repr(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="faiss")
    index.search(queries, 3)
    assert "engine='faiss', strategy='Flat'" in repr(index)
    explained = index.explain()
    assert explained.queries == QUERIES
    assert explained.candidates_per_query is None
    assert "searched by FAISS in float32\n40 queries so far" in str(explained)
    assert "float64" not in str(explained)


def test_queries_that_faiss_finds_too_few_for_are_answered_exactly(problem):
    codes, labels, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, engine=lk.FaissEngine("IVF64,Flat", {"nprobe": 1}))
    allowed = labels < 3
    expected = reference.search(codes, queries, 500, allowed=allowed)
    assert np.array_equal(index.search(queries, 500, allowed=allowed).ids, expected.ids)
    others = index.search_self(500)
    assert (others.positions != np.arange(CODES)[:, None]).all()
    assert index.recall(queries, 500) == 1
    assert index.recall(queries, 2) < 1


def test_removing_keeps_what_was_trained(problem):
    """Fewer codes are left than there are lists, which were trained on more codes."""
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("IVF64,Flat", {"nprobe": 64}))
    index.remove(np.arange(20, CODES))
    assert np.array_equal(index.search(queries, 5).ids, reference.search(codes[:20], queries, 5).ids)
    index.remove(np.arange(20))
    assert len(index) == 0


@pytest.mark.parametrize("factory", ["Flat", "IVF64,PQ4x4"])
def test_an_add_that_fails_late_changes_nothing(problem, monkeypatch, factory):
    """The trained quantizer stays too, though training on the codes that are left would change it."""
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(
        codes, engine=lk.FaissEngine(factory, {"nprobe": 64} if "IVF" in factory else {})
    )
    index.remove(np.arange(1000, CODES))
    before = index.search(queries, 5)

    append = type(index._held.database)._append

    def fail_late(*arguments):
        append(*arguments)
        raise MemoryError("no more")

    monkeypatch.setattr(type(index._held.database), "_append", fail_late)
    with pytest.raises(MemoryError, match="no more"):
        index.add(codes[1000:])
    monkeypatch.undo()
    assert len(index) == 1000
    assert index.search(queries, 5).ids.tobytes() == before.ids.tobytes()
    index.add(codes[1250:])
    if factory == "Flat":
        kept = np.delete(codes, np.arange(1000, 1250), axis=0)
        assert np.array_equal(
            index.search(queries, 5).positions, reference.search(kept, queries, 5).positions
        )


def test_what_faiss_refuses_is_said_and_changes_nothing(problem):
    codes, _, queries = problem
    with pytest.raises(ValueError, match="FAISS cannot make an index of 16 dimensions from 'IFV8'"):
        lk.CosineIndex(DIM, engine=lk.FaissEngine("IFV8"))
    with pytest.raises(ValueError, match="FAISS cannot make an index of 16 dimensions from 'Flat' with"):
        lk.CosineIndex(DIM, engine=lk.FaissEngine(parameters={"nproob": 3}))
    index = lk.CosineIndex(DIM, engine=lk.FaissEngine("IVF64,Flat", {"nprobe": 64}))
    with pytest.raises(ValueError, match="FAISS cannot make 'IVF64,Flat' of 10 codes"):
        index.add(codes[:10])
    assert len(index) == 0
    index.add(codes)
    assert index.recall(queries, 5) == 1
    with pytest.raises(ValueError, match="rescore must be at least 0, received -1"):
        lk.FaissEngine(rescore=-1)
    with pytest.raises(ValueError, match="strategy='int8' is one of the engine 'cpu'"):
        lk.CosineIndex(DIM, engine="faiss", strategy="int8")


def test_allowed_codes_of_an_index_that_cannot(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("PCA8,Flat"))
    with pytest.raises(ValueError, match="cannot search 'PCA8,Flat' among allowed codes only"):
        index.search(queries, 3, allowed=np.ones(CODES, np.bool_))


def test_the_number_of_threads_is_put_back(problem):
    codes, _, queries = problem
    faiss = faiss_engine.import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        lk.CosineIndex.from_codes(codes, engine="faiss", threads=1).search(queries, 3)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
