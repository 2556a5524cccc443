"""The engine that "auto" chooses."""

from __future__ import annotations

import numpy as np
import pytest

import emulated_cuda
import latentknn as lk
import reference
from checking import assert_same_bytes
from latentknn.engines import CudaDatabase, automatic

CODES, QUERIES, DIM = 900, 23, 16


@pytest.fixture
def problem(monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Return queries, and codes that are just enough to be worth a device."""
    monkeypatch.setattr(automatic, "WORTH_DEVICES", CODES * DIM)
    rng = np.random.default_rng(11)
    codes = rng.standard_normal((CODES, DIM), dtype=np.float32)
    codes[5] = codes[700]
    codes[6] = 0
    return codes, np.concatenate([rng.standard_normal((QUERIES, DIM), dtype=np.float32), codes[4:8]])


@pytest.mark.usefixtures("cuda_or_emulated")
def test_many_codes_move_to_devices(problem):
    codes, queries = problem
    index = lk.CosineIndex.from_codes(codes[:-1])
    assert index.engine == "cpu"
    index.add(codes[-1:])
    assert index.engine == "cuda"
    assert index.exact
    assert "device 0" in index.explain().placement
    assert index.explain().queries == 0
    assert_same_bytes(index.search(queries, 9, scores64=True), reference.search(codes, queries, 9))
    index.remove(np.arange(100))
    assert index.engine == "cuda"
    expected = reference.search(codes[100:], queries, 9, ids=np.arange(100, CODES))
    assert_same_bytes(index.search(queries, 9, scores64=True), expected)


@pytest.mark.usefixtures("cuda_or_emulated")
def test_ids_labels_and_classes_move_too(problem, tmp_path):
    codes, queries = problem
    ids, labels = np.arange(CODES)[::-1] * 3, np.arange(CODES) % 4
    index = lk.CosineIndex.from_codes(codes, labels, ids)
    assert index.engine == "cuda"
    assert np.array_equal(index.ids, ids)
    assert_same_bytes(index.search(queries, 9, scores64=True), reference.search(codes, queries, 9, ids=ids))
    on_cpu = lk.CosineIndex.from_codes(codes, labels, ids, engine="cpu")
    assert_same_bytes(
        index.search_per_class(queries, 5, scores64=True), on_cpu.search_per_class(queries, 5, scores64=True)
    )
    index.save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors")
    assert loaded.engine == "cuda"
    assert_same_bytes(loaded.search(queries, 9, scores64=True), index.search(queries, 9, scores64=True))


@pytest.mark.usefixtures("cuda_or_emulated")
def test_what_is_named_stays(problem):
    codes, _ = problem
    assert lk.CosineIndex.from_codes(codes, engine="cpu").engine == "cpu"
    assert lk.CosineIndex.from_codes(codes, strategy="int16").engine == "cpu"


@pytest.mark.usefixtures("emulated_devices")
@pytest.mark.parametrize("room", [12, 60_000])  # no room at all; room for some of the rows, but for no search
def test_codes_without_room_stay(problem, room):
    codes, queries = problem
    emulated_cuda.limit_memory(room)
    index = lk.CosineIndex.from_codes(codes)
    assert index.engine == "cpu"
    assert_same_bytes(index.search(queries, 9, scores64=True), reference.search(codes, queries, 9))


@pytest.mark.usefixtures("cuda_or_emulated")
def test_codes_of_which_some_would_wait_on_the_host_stay(monkeypatch):
    monkeypatch.setattr(automatic, "WORTH_DEVICES", 1)
    small = lk.CudaEngine([0], memory=4 << 20)
    codes = np.random.default_rng(0).standard_normal((60_000, DIM), dtype=np.float32)
    part = CudaDatabase(small, DIM)
    part.add(codes, None, 2)
    assert part.waiting_rows > 0
    assert part.answer_of_devices(codes[:8], 3) is not None
    monkeypatch.setattr(automatic, "CudaEngine", lambda: small)
    assert lk.CosineIndex.from_codes(codes).engine == "cpu"


@pytest.mark.usefixtures("cuda_or_emulated")
def test_codes_that_float16_cannot_tell_apart_stay(monkeypatch):
    monkeypatch.setattr(automatic, "WORTH_DEVICES", 1)
    noise = np.random.default_rng(5).standard_normal((1500, 24))
    assert lk.CosineIndex.from_codes(1 + 1e-6 * noise).engine == "cpu"


def test_codes_stay_where_there_is_no_device(problem, monkeypatch):
    def missing():
        raise RuntimeError("no CUDA device can be used: there is none")

    monkeypatch.setattr(automatic, "import_cuda", missing)
    assert lk.CosineIndex.from_codes(problem[0]).engine == "cpu"


@pytest.mark.usefixtures("cuda_or_emulated")
def test_a_device_that_answers_otherwise_is_not_taken(problem, monkeypatch):
    codes, queries = problem
    asked = []

    def answer(database, rows, k):
        asked.append(len(rows))
        similarities, positions, ids, scores = right(database, rows, k)
        scores[-1, -1] = np.nextafter(scores[-1, -1], -1)
        return similarities, positions, ids, scores

    right = CudaDatabase.answer_of_devices
    monkeypatch.setattr(CudaDatabase, "answer_of_devices", answer)
    with pytest.warns(RuntimeWarning, match="stays with the processor: the CUDA devices gave other answers"):
        index = lk.CosineIndex.from_codes(codes)
    assert index.engine == "cpu"
    index.add(codes[:10])
    assert len(asked) == 1
    expected = reference.search(np.concatenate([codes, codes[:10]]), queries, 9)
    assert_same_bytes(index.search(queries, 9, scores64=True), expected)


@pytest.mark.usefixtures("cuda_or_emulated")
def test_a_device_that_fails_is_not_taken(problem, monkeypatch):
    def answer(*_):
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(CudaDatabase, "answer_of_devices", answer)
    with pytest.warns(RuntimeWarning, match="stays with the processor: an illegal memory access"):
        index = lk.CosineIndex.from_codes(problem[0])
    assert index.engine == "cpu"


@pytest.mark.usefixtures("cuda_or_emulated")
def test_an_interrupted_move_loses_nothing(problem, monkeypatch):
    codes, queries = problem

    def interrupt(*_):
        raise KeyboardInterrupt

    index = lk.CosineIndex(DIM)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(CudaDatabase, "answer_of_devices", interrupt)
        with pytest.raises(KeyboardInterrupt):
            index.add(codes)
    assert index.engine == "cpu"
    assert_same_bytes(index.search(queries, 9, scores64=True), reference.search(codes, queries, 9))
    index.add(codes[:1])
    assert index.engine == "cuda"


@pytest.mark.usefixtures("cuda_or_emulated")
def test_one_search_without_an_index_is_the_processors(problem, monkeypatch):
    monkeypatch.setattr(CudaDatabase, "__init__", None)
    codes, queries = problem
    expected = reference.search(codes, queries, 9)
    assert np.array_equal(lk.cosine_search(codes, queries, 9).ids, expected.ids)
