"""Every engine behaves alike; what CUDA and FAISS add and what they cannot do."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
import sys

import numpy as np
import pytest
from sklearn.base import clone

import emulated_cuda
import latentknn as lk
import reference
from checking import assert_same_bytes
from latentknn import _core, engines
from latentknn.cli import main
from latentknn.engines import cuda_engine, faiss_engine, table
from latentknn.engines.cpu_engine import CpuEngine

DIM, CODES, QUERIES = 16, 1500, 40

EXHAUSTIVE = {
    "cpu": "cpu",
    "cuda": "cuda",
    "faiss": "faiss",
    "faiss, all lists": lk.FaissEngine("IVF16,Flat", {"nprobe": 16}),
    "faiss, rescored": lk.FaissEngine(rescore=3),
}
"""Engines that look at every code, and so find the true neighbours where no two are nearly alike."""


@pytest.fixture(params=EXHAUSTIVE)
def engine(request):
    if request.param == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    return EXHAUSTIVE[request.param]


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((CODES, DIM)) * rng.uniform(0.1, 9, (CODES, 1))
    return codes.astype(np.float32), rng.integers(0, 4, CODES), rng.standard_normal((QUERIES, DIM))


# What all engines do


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
    """A code leaves itself out by its position, and finds its copies."""
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


# FAISS


def test_rescored_similarities_are_exact(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine(rescore=4))
    assert_same_bytes(index.search(queries, 10, scores64=True), reference.search(codes, queries, 10))


@pytest.mark.parametrize("rescore", [0, 4])
def test_approximate_indexes(problem, rescore):
    """They find most neighbours, more of them where they search more."""
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
    """Fewer codes than the lists that were trained on more."""
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=lk.FaissEngine("IVF64,Flat", {"nprobe": 64}))
    index.remove(np.arange(20, CODES))
    assert np.array_equal(index.search(queries, 5).ids, reference.search(codes[:20], queries, 5).ids)
    index.remove(np.arange(20))
    assert len(index) == 0


@pytest.mark.parametrize("factory", ["Flat", "IVF64,PQ4x4"])
def test_an_add_that_fails_late_changes_nothing(problem, monkeypatch, factory):
    """Nor what was trained, where it would be trained otherwise on the codes that are left."""
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(
        codes, engine=lk.FaissEngine(factory, {"nprobe": 64} if "IVF" in factory else {})
    )
    index.remove(np.arange(1000, CODES))
    before = index.search(queries, 5)

    class Full:
        def __getattr__(self, name):
            return getattr(store, name)

        def __len__(self):
            return len(store)

        def add(self, *arguments):
            raise MemoryError("no more")

    store = index._database._store
    monkeypatch.setattr(index._database, "_store", Full())
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


# CUDA


@pytest.mark.usefixtures("cuda_or_emulated")
def test_cuda_gives_the_same_bytes(problem):
    codes, labels, queries = problem
    ids = np.random.default_rng(2).permutation(10 * CODES)[:CODES]
    index = lk.CosineIndex.from_codes(codes, labels, ids, engine="cuda")
    allowed = labels == 2
    for found, expected in (
        (index.search(queries, 10, scores64=True), reference.search(codes, queries, 10, ids=ids)),
        (
            index.search(queries, 10, allowed=allowed, scores64=True),
            reference.search(codes, queries, 10, ids=ids, allowed=allowed),
        ),
        (index.search_self(5, scores64=True), reference.search_self(codes, 5, ids=ids)),
    ):
        assert_same_bytes(found, expected)
    index.remove(ids[::2])
    index.add(codes[::2], labels[::2], ids[::2])
    ids = np.concatenate([ids[1::2], ids[::2]])
    moved = np.concatenate([codes[1::2], codes[::2]])
    assert_same_bytes(index.search(queries, 7, scores64=True), reference.search(moved, queries, 7, ids=ids))


@pytest.mark.usefixtures("cuda_or_emulated")
def test_cuda_among_equal_rows():
    """More others are equal to a row than are wanted: itself need not be among them to be left out."""
    codes = np.repeat(np.eye(5, dtype=np.float32), 20, axis=0)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    assert_same_bytes(index.search_self(3, scores64=True), reference.search_self(codes, 3))
    assert_same_bytes(index.search_self(99, scores64=True), reference.search_self(codes, 99))


@pytest.mark.usefixtures("cuda_or_emulated")
def test_cuda_explains(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    index.search(queries, 3)
    assert index.strategy == "int8 or fp16"
    assert index.isa.startswith("sm_")
    said = str(index.explain())
    assert "screened in int8 or fp16, 16 dimensions; what is left is scored in float64" in said
    assert f"{QUERIES} queries so far; {QUERIES} screened in int8, " in said


@pytest.mark.usefixtures("cuda_or_emulated")
def test_cuda_says_what_it_repeated():
    """Around one point int8 tells nothing apart, and float16 nothing of what lies at the point itself."""
    rng = np.random.default_rng(8)
    codes = (1 + 0.1 * rng.standard_normal((3000, 32))).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    queries = codes[:20] + 1
    assert_same_bytes(index.search(queries, 4, scores64=True), reference.search(codes, queries, 4))
    assert "20 screened in int8, 20 of them again in fp16" in index.explain().repeats
    index.add(np.ones((3000, 32)))
    codes = np.concatenate([codes, np.ones((3000, 32), np.float32)])
    assert_same_bytes(index.search(queries, 4, scores64=True), reference.search(codes, queries, 4))
    assert "20 given up to the host" in index.explain().repeats


def test_cuda_on_chosen_devices(problem, cuda_or_emulated):
    codes, labels, queries = problem
    index = lk.CosineIndex.from_codes(codes, labels, engine=lk.CudaEngine([0, 0]))
    assert index.engine == "cuda"
    assert index.exact
    assert_same_bytes(index.search(queries, 10, scores64=True), reference.search(codes, queries, 10))
    assert re.search(r"[0-9,]+ codes on device 0", str(index.explain()))
    classified = lk.CosineKNNClassifier(engine=lk.CudaEngine()).fit(codes, labels).predict(queries)
    assert np.array_equal(classified, labels[index.search(queries, 1).positions[:, 0]])


@pytest.mark.parametrize(
    ("wanted", "error", "said"),
    [
        ({"devices": []}, ValueError, "at least one device"),
        ({"devices": [0.5]}, TypeError, "float"),
        ({"devices": [77]}, RuntimeError, "there is no CUDA device 77 to use; there are 0"),
        ({"devices": [-1]}, RuntimeError, "there is no CUDA device -1"),
        ({"memory": 0}, ValueError, "at least one byte, received 0"),
    ],
)
def test_devices_that_are_not_there(cuda_or_emulated, wanted, error, said):
    with pytest.raises(error, match=said):
        lk.CosineIndex(3, engine=lk.CudaEngine(**wanted))


@pytest.mark.usefixtures("cuda_or_emulated")
def test_queries_that_a_device_gives_up():
    """Codes that halves cannot tell apart: the host answers."""
    rng = np.random.default_rng(5)
    codes = (1 + 1e-6 * rng.standard_normal((1500, 24))).astype(np.float32)
    queries = np.concatenate([codes[:5], rng.standard_normal((5, 24), np.float32)])
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    assert_same_bytes(index.search(queries, 6, scores64=True), reference.search(codes, queries, 6))
    allowed = np.arange(len(codes)) % 5 > 0
    expected = reference.search(codes, queries, 6, allowed=allowed)
    assert_same_bytes(index.search(queries, 6, allowed=allowed, scores64=True), expected)


@pytest.mark.usefixtures("emulated_devices")
def test_a_device_without_room_changes_nothing(problem):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes[:1000], engine="cuda")
    emulated_cuda.limit_memory(12)
    with pytest.raises(MemoryError, match=r"no \d+ bytes to give, 12 are free"):
        index.search(queries, 5)
    emulated_cuda.limit_memory(emulated_cuda.AMPLE)
    expected = reference.search(codes[:1000], queries, 5)
    assert_same_bytes(index.search(queries, 5, scores64=True), expected)
    emulated_cuda.limit_memory(12)  # what a search has had, the next one has too
    assert_same_bytes(index.search(queries, 5, scores64=True), expected)


@pytest.mark.usefixtures("cuda_or_emulated")
def test_the_host_screens_for_many_queries_that_devices_give_up(monkeypatch):
    monkeypatch.setattr(cuda_engine, "WORTH_SCREENING", 8)
    rng = np.random.default_rng(6)
    codes = (1 + 1e-6 * rng.standard_normal((1500, 24))).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    hosts = []
    for count in (3, 4, 5, 6):
        queries = codes[:count]
        assert_same_bytes(index.search(queries, 6, scores64=True), reference.search(codes, queries, 6))
        hosts.append(index._database._store.strategy)
    assert hosts[:2] == ["float64", "float64"]
    assert hosts[2] == hosts[3] != "float64"
    index.add(codes[:5] * 2)
    index.remove([0, 7])
    kept = np.delete(np.concatenate([codes, codes[:5]]), [0, 7], axis=0)
    ids = np.delete(np.arange(1505), [0, 7])
    assert_same_bytes(
        index.search(codes[:5], 6, scores64=True), reference.search(kept, codes[:5], 6, ids=ids)
    )


def test_codes_that_find_no_room_on_the_device(problem, cuda_or_emulated):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes[:1000], engine=lk.CudaEngine([0], memory=150_000))
    index.add(codes[1000:])
    assert re.search(r"\d+ codes on device 0; \d+ codes on the host, brought", str(index.explain()))
    assert_same_bytes(index.search(queries, 10, scores64=True), reference.search(codes, queries, 10))
    index.remove(np.arange(100))
    expected = reference.search(codes[100:], queries, 10, ids=np.arange(100, CODES))
    assert_same_bytes(index.search(queries, 10, scores64=True), expected)


def test_an_add_that_the_host_refuses_changes_nothing_on_the_device(problem, cuda_or_emulated):
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes[:1000], engine="cuda")
    expected = index.search(queries, 5, scores64=True)
    with pytest.raises(ValueError, match="row 1"):
        index.add(np.array([[1] * DIM, [np.nan] * DIM]))
    assert_same_bytes(index.search(queries, 5, scores64=True), expected)
    index.add(codes[1000:])
    assert np.array_equal(index.search(queries, 5).ids, reference.search(codes, queries, 5).ids)


def test_the_extension_can_be_imported_without_a_device():
    cuda = pytest.importorskip("latentknn._cuda", reason="built without CUDA")
    found, missing = cuda.devices()
    assert bool(found) != bool(missing)
    if not found:
        with pytest.raises(RuntimeError, match="no CUDA device can be used: "):
            cuda.ShardedRows(3, [0], 0)


def test_cuda_that_is_not_built(monkeypatch):
    monkeypatch.setitem(sys.modules, "latentknn._cuda", None)
    monkeypatch.delattr(lk, "_cuda", raising=False)
    with pytest.raises(ImportError, match=r"latentknn was built without CUDA: .*LATENTKNN_CUDA=ON"):
        lk.CosineIndex(3, engine="cuda")


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        (([], "there is no NVIDIA driver"), "no CUDA device can be used: there is no NVIDIA driver"),
        (([("GTX 1080", (6, 1), 8)], ""), "GTX 1080 has compute capability 6.1, and 8.0 is needed"),
    ],
)
def test_devices_that_cannot_be_used(monkeypatch, cuda_or_emulated, devices, said):
    monkeypatch.setattr(cuda_engine.import_cuda()[0], "devices", lambda: devices)
    with pytest.raises(RuntimeError, match=said):
        lk.CosineIndex(3, engine="cuda")
    (missing,) = (each.missing for each in engines.availability() if each.name == "cuda")
    assert said in missing


@pytest.mark.usefixtures("cuda_device")
@pytest.mark.parametrize(
    ("count", "dim", "k", "devices"),
    [
        (50_000, 128, 10, [0]),
        (20_000, 768, 100, [0]),
        (9_000, 31, 5_000, [0]),
        (150_000, 40, 10, [0, 0]),  # as two devices: a part of the codes each
    ],
)
def test_a_device_gives_the_same_bytes_at_size(count, dim, k, devices):
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((count, dim), np.float32)
    codes[1::50] = codes[::50]
    queries = np.concatenate([codes[:100], rng.standard_normal((200, dim), np.float32), np.zeros((3, dim))])
    index = lk.CosineIndex.from_codes(codes, engine=lk.CudaEngine(devices))
    exact = lk.CosineIndex.from_codes(codes, engine="cpu")
    assert_same_bytes(index.search(queries, k, scores64=True), exact.search(queries, k, scores64=True))


@pytest.mark.usefixtures("cuda_device")
@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_arrays_of_other_libraries_on_a_device(problem, library):
    """Tests on emulated devices are in test_device_arrays.py; these arrays need a real one."""
    module = pytest.importorskip(library)
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = lk.CosineIndex.from_codes(codes, engine="cpu").search(queries, 7, scores64=True)
    by_way_of_the_host = module.asarray(queries)
    given = module.asarray(queries.astype(np.float32))
    if library == "torch":
        by_way_of_the_host, given = by_way_of_the_host.cuda(), given.cuda()
    assert cuda_engine.import_cuda()[0].DeviceArray.of(given).is_float32
    assert_same_bytes(index.search(given, 7, scores64=True), expected)
    assert_same_bytes(index.search(given * 1.0, 7, scores64=True), expected)
    columns = given.T.copy().T if library == "cupy" else given.T.contiguous().T
    assert_same_bytes(index.search(columns, 7, scores64=True), expected)
    assert_same_bytes(index.search(by_way_of_the_host, 7, scores64=True), expected)
    ids = module.from_dlpack(index.search(given, 7, on_device=True).ids)
    assert ids.tolist() == expected.ids.tolist()


@pytest.mark.usefixtures("cuda_device")
def test_queries_that_a_stream_is_still_computing(problem):
    torch = pytest.importorskip("torch")
    codes, _, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = lk.CosineIndex.from_codes(codes, engine="cpu").search(queries, 7, scores64=True)
    given = torch.from_numpy(queries.astype(np.float32)).cuda()
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        later = torch.zeros_like(given)
        torch.cuda._sleep(10**8)
        later += given
        assert_same_bytes(index.search(later, 7, scores64=True), expected)


# What is there


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
    """A GPU that is asked for is there or is an error."""
    (gpu,) = (each for each in engines.availability() if each.name == name)
    if gpu.available:
        assert lk.CosineIndex(3, engine=name).engine == name
    else:
        with pytest.raises((ImportError, RuntimeError)) as caught:
            lk.CosineIndex(3, engine=name)
        assert str(caught.value) == gpu.missing


class ToyEngine(CpuEngine):
    """An engine that only the table knows."""

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


# Scoring candidates


def test_candidates_are_scored_by_the_contract(isa, problem):
    codes, _, queries = problem
    database = _core.Database(DIM, "float64")
    database.add(codes, None, 2)
    rng = np.random.default_rng(3)
    positions = rng.integers(-1, CODES, (QUERIES, 200))
    similarities, found, ids, scores = database.score(queries, positions, 20, 2)
    everything = reference.scores(codes, queries)
    for query, candidates in enumerate(positions):
        rows = np.unique(candidates[candidates >= 0])
        best = rows[np.lexsort((rows, -everything[query, rows]))[:20]]
        assert found[query].tolist() == ids[query].tolist() == best.tolist()
        assert scores[query].tobytes() == everything[query, best].tobytes()
        assert similarities[query].tobytes() == everything[query, best].astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("position", "k", "said"),
    [
        (-1, 3, "has 2 candidates"),
        (5, 3, "has 2 candidates"),
        (9999, 3, "9999"),
        (7, 0, "k must be at least 1"),
    ],
)
def test_candidates_that_are_wrong(problem, position, k, said):
    codes, _, queries = problem
    database = _core.Database(DIM, "float64")
    database.add(codes, None, 2)
    with pytest.raises(ValueError, match=said):
        database.score(queries[:1], np.array([[5, 6, position]]), k, 1)
