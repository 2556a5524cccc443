"""The engine "cuda": equal bytes, memory of the devices, explanations and error messages."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import emulated_cuda
import latentknn as lk
import reference
from checking import assert_same_bytes
from engine_problem import CODES, DIM, QUERIES, build_problem
from latentknn import engines
from latentknn.engines import cuda_engine


@pytest.fixture(scope="module")
def problem():
    return build_problem()


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
    """More rows are equal to a row than are wanted, so that the row itself need not be among the best."""
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
    """int8 cannot distinguish rows around one point, nor float16 rows at the point itself."""
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
    """float16 cannot distinguish these codes, and the host answers."""
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
    emulated_cuda.limit_memory(12)  # the next search reuses the memory of the one before
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
        hosts.append(index._held.database._store.strategy)
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
        (150_000, 40, 10, [0, 0]),  # as two devices, each with a share of the codes
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
    """These arrays need a real device; test_device_arrays.py tests arrays on emulated devices."""
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
