"""Queries and codes that are on a device already, and answers that remain there."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import emulated_cuda
import latentknn as lk
import reference
from checking import assert_same_bytes
from foreign_array import ForeignArray
from latentknn.engines import cuda_engine

pytestmark = pytest.mark.usefixtures("cuda_or_emulated")

ROWS, QUERIES, DIM = 700, 31, 20


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return (
        rng.standard_normal((ROWS, DIM), dtype=np.float32),
        rng.standard_normal((QUERIES, DIM), dtype=np.float32),
    )


def on_device(array: np.ndarray, device: int = 0) -> Any:
    return cuda_engine.import_cuda()[0].DeviceArray.copy_of(array, device)


def last_device() -> int:
    return max(cuda_engine.import_cuda()[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_queries_on_a_device(problem, dtype):
    codes, queries = problem
    queries = (10 * queries).astype(dtype)
    queries[7] = 0
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = reference.search(codes, queries.astype(np.float32), 9)
    for given in (on_device(queries, last_device()), ForeignArray(on_device(queries))):
        assert_same_bytes(index.search(given, 9, scores64=True), expected)


def test_an_array_that_is_not_on_the_current_device(problem, emulated_devices):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    given = ForeignArray(on_device(queries, 1), current_device=emulated_cuda.current_device)
    assert_same_bytes(index.search(given, 9, scores64=True), reference.search(codes, queries, 9))


@pytest.mark.parametrize(("device_type", "awaited"), [(2, [1]), (13, [0, 1])])
def test_what_was_begun_on_the_device_is_awaited(problem, emulated_devices, device_type, awaited):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    given = ForeignArray(on_device(queries, 1), device_type=device_type)
    before = [emulated_cuda.awaited(device) for device in (0, 1)]
    index.search(given, 3)
    assert [device for device in (0, 1) if emulated_cuda.awaited(device) > before[device]] == awaited


def test_a_part_of_an_array(problem):
    codes, queries = problem
    array = on_device(queries)
    part = ForeignArray(array, (5, DIM), (DIM, 1), offset=3 * DIM * 4)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    assert_same_bytes(index.search(part, 4, scores64=True), reference.search(codes, queries[3:8], 4))
    row = ForeignArray(array, (1, DIM), (77, 1), offset=2 * DIM * 4)  # one row's stride has no meaning
    assert_same_bytes(index.search(row, 4, scores64=True), reference.search(codes, queries[2:3], 4))
    for nothing in (ForeignArray(array, (0, DIM)), ForeignArray(array, (0, DIM), (1, QUERIES))):
        assert index.search(nothing, 4).ids.shape == (0, 4)


def test_arrays_in_another_order(problem):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = reference.search(codes, queries, 4)
    columns = ForeignArray(on_device(queries.T.copy()), (QUERIES, DIM), (1, QUERIES))
    assert_same_bytes(index.search(columns, 4, scores64=True), expected)
    wide = np.concatenate([queries, queries], axis=1)
    left = ForeignArray(on_device(wide), (QUERIES, DIM), (2 * DIM, 1))
    assert_same_bytes(index.search(left, 4, scores64=True), expected)
    last = (QUERIES - 1) * DIM * 4
    backwards = ForeignArray(on_device(queries), (QUERIES, DIM), (-DIM, 1), offset=last)
    assert_same_bytes(index.search(backwards, 4, scores64=True), reference.search(codes, queries[::-1], 4))


def test_bfloat16(problem):
    codes, queries = problem
    upper_bits = (queries.view(np.uint32) >> 16).astype(np.uint16)
    rounded = (upper_bits.astype(np.uint32) << 16).view(np.float32)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    given = ForeignArray(on_device(upper_bits), code=4)
    assert_same_bytes(index.search(given, 4, scores64=True), reference.search(codes, rounded, 4))


def test_arrays_are_given_back(problem):
    codes, queries = problem
    given = ForeignArray(on_device(queries))
    lk.CosineIndex.from_codes(codes, engine="cuda").search(given, 3)
    gc.collect()
    assert given.given_back == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_queries_are_named(problem, bad):
    codes, queries = problem
    queries[12, 5] = bad
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    with pytest.raises(ValueError, match=r"row 12 of the queries contains (NaN|infinity)"):
        index.search(on_device(queries), 3)


def test_what_cannot_be_read_is_refused(problem):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    array = on_device(queries)
    for given, error, said in (
        (on_device(queries[:, 1:].copy()), ValueError, "queries must have 20 columns"),
        (on_device(queries[0].copy()), ValueError, r"shape \(n, d\)"),
        (on_device(np.array(3, np.float32)), ValueError, r"shape \(n, d\)"),
        (ForeignArray(array, code=5), TypeError, "expected real numbers"),
        (ForeignArray(array, code=2, bits=4), TypeError, "expected real numbers"),
    ):
        with pytest.raises(error, match=said):
            index.search(given, 3)
        if isinstance(given, ForeignArray):
            gc.collect()
            assert given.given_back == 1


def test_queries_that_the_device_gives_up():
    codes = np.repeat(np.eye(5, dtype=np.float32), 2000, axis=0)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    queries = np.eye(5, dtype=np.float32)[[3, 1]]
    found = index.search(on_device(queries), 3, scores64=True)
    assert_same_bytes(found, reference.search(codes, queries, 3))


@pytest.mark.parametrize("scores64", [False, True])
def test_answers_on_the_device(problem, scores64):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = index.search(queries, 6, scores64=scores64)
    for given in (queries, on_device(queries)):
        found = index.search(given, 6, scores64=scores64, on_device=True)
        for name in ("similarities", "ids", "positions", "scores64")[: 4 if scores64 else 3]:
            array, wanted = getattr(found, name), getattr(expected, name)
            assert (array.shape, array.dtype, array.device) == (wanted.shape, wanted.dtype, 0)
            assert array.__dlpack_device__() == (2, 0)
            assert array.to_host().tobytes() == wanted.tobytes()
        assert scores64 == (found.scores64 is not None)
    _, ids = found
    assert repr(ids) == f"DeviceArray(shape=({QUERIES}, 6), dtype=int64, device=0)"


def test_answers_are_put_where_the_queries_are(problem, emulated_devices):
    codes, queries = problem
    for engine, given, device in (
        ("cuda", queries, 0),
        ("cuda", on_device(queries, 1), 1),
        (lk.CudaEngine([1]), queries, 1),
        (lk.CudaEngine([1]), on_device(queries), 0),
        (lk.CudaEngine([1]), on_device(queries.astype(np.float64)), 0),  # the host reads float64
    ):
        index = lk.CosineIndex.from_codes(codes, engine=engine)
        found = index.search(given, 6, on_device=True)
        assert found.ids.device == device
        assert found.ids.to_host().tobytes() == reference.search(codes, queries, 6).ids.tobytes()


def test_numpy_is_told_how_to_copy_an_answer(problem):
    codes, queries = problem
    found = lk.CosineIndex.from_codes(codes, engine="cuda").search(queries, 6, on_device=True)
    for call in (np.asarray, lambda ids: np.arange(ROWS)[ids]):
        with pytest.raises(TypeError, match="to_host"):
            call(found.ids)
    assert found.scores.dtype == np.float64
    assert np.array_equal(found.scores, found.similarities.to_host())
    with pytest.raises(TypeError, match="no length"):
        len(on_device(np.array(3, np.float32)))


def test_who_takes_an_answer_keeps_its_memory(problem):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    wanted = index.search(queries, 6).similarities
    taken = cuda_engine.import_cuda()[0].DeviceArray.of(index.search(queries, 6, on_device=True).similarities)
    gc.collect()
    assert taken.to_host().tobytes() == wanted.tobytes()


def test_an_array_is_given_on_in_its_own_order(problem):
    _, queries = problem
    take = cuda_engine.import_cuda()[0].DeviceArray.of
    columns = take(ForeignArray(on_device(queries.T.copy()), (QUERIES, DIM), (1, QUERIES)))
    assert not columns.in_c_order
    assert take(columns).to_host().tobytes() == queries.tobytes()


def test_answers_are_given_where_they_are(problem):
    codes, queries = problem
    ids = lk.CosineIndex.from_codes(codes, engine="cuda").search(queries, 6, on_device=True).ids
    ids.__dlpack__(stream=1, max_version=(1, 0), dl_device=(2, 0), copy=False)
    with pytest.raises(BufferError, match="to_host"):
        ids.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match="to_host"):
        ids.__dlpack__(copy=True)


def test_arrays_that_find_no_room(problem, emulated_devices):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    given = on_device(queries)
    emulated_cuda.limit_memory(1000)
    with pytest.raises(MemoryError, match="1000 are free"):
        on_device(queries)
    emulated_cuda.limit_memory(emulated_cuda.AMPLE)
    assert_same_bytes(index.search(given, 2, scores64=True), reference.search(codes, queries, 2))


def test_codes_on_a_device(problem):
    codes, queries = problem
    labels = np.arange(ROWS) % 3
    index = lk.CosineIndex.from_codes(on_device(codes[:400]), labels[:400], engine=lk.CudaEngine())
    index.add(on_device(codes[400:]), labels[400:])
    assert_same_bytes(index.search(queries, 5, scores64=True), reference.search(codes, queries, 5))
    by_class = index.search_per_class(on_device(queries), 2, scores64=True)
    expected = index.search_per_class(queries, 2, scores64=True)
    assert by_class.scores64.tobytes() == expected.scores64.tobytes()
    assert index.recall(on_device(queries), 3) == 1.0


@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_other_engines_refuse_what_is_on_a_device(problem, engine):
    if engine == "faiss":
        pytest.importorskip("faiss")
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes, engine=engine)
    for given in (on_device(queries), ForeignArray(on_device(queries))):
        for call in (index.search, index.add):
            with pytest.raises(TypeError, match=r"(queries|codes) are on a CUDA device.*engine='cuda'"):
                call(given)
    with pytest.raises(ValueError, match=f"on_device=True needs engine='cuda'.*{engine}"):
        index.search(queries, 3, on_device=True)
    assert len(index) == ROWS
