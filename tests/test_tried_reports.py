"""Faults from public reports about other libraries, tried here; see tests/README.md."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import latentknn as lk
from checking import assert_same_bytes
from received_cases import (
    CODES,
    LABELS,
    QUERIES,
    index,
)


def test_ids_of_removed_codes_are_not_given_again():
    """faiss#190, #409, #879: after a removal, the next ids began at the number of codes that were left."""
    each = lk.CosineIndex.from_codes(CODES[:10])
    each.remove([2, 9])
    each.add(CODES[10:12])
    assert each.ids.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]


def test_ids_follow_their_codes_through_removals():
    """faiss#255, #2409."""
    each = lk.CosineIndex.from_codes(CODES[:5], ids=[0, 10, 20, 30, 40])
    each.remove([10, 30])
    each.add(CODES[5:10], ids=[5, 15, 25, 35, 45])
    kept = CODES[[0, 2, 4, 5, 6, 7, 8, 9]]
    assert each.search(kept, 1).ids.ravel().tolist() == [0, 20, 40, 5, 15, 25, 35, 45]


def test_a_query_of_zeros_is_as_near_to_all():
    """nmslib#321, hnswlib#15: such queries had distances of 0, NaN or 10^21."""
    found = lk.cosine_search(CODES, np.zeros((1, 4)), 5)
    assert found.similarities.tolist() == [[0.0] * 5]
    assert found.ids.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_lengths_do_not_matter(scale):
    """matrixone#29082: tiny vectors had infinite or negative distances."""
    unit = np.float32([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    scaled = (unit * np.float64(scale)).astype(np.float32)
    found, expected = lk.cosine_search(scaled, scaled, 3), lk.cosine_search(unit, unit, 3)
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.similarities[:, 0].tolist() == [1.0] * 3
    np.testing.assert_allclose(found.similarities, expected.similarities, rtol=2e-7)


def test_a_code_is_at_distance_zero_from_itself():
    """hnswlib#76, scikit-learn#21939: the distance was 2e-16, or below zero."""
    distances, positions = lk.CosineKNNClassifier(1).fit(CODES, LABELS).kneighbors(CODES)
    assert distances.tolist() == [[0.0]] * 24
    assert positions.ravel().tolist() == list(range(24))


def test_copies_of_a_code_are_its_neighbours():
    """scikit-learn#4046: only a code's own position is left out of its neighbours."""
    twice = lk.CosineIndex.from_codes(np.repeat(np.eye(2), 3, axis=0))
    assert twice.search_self(2).ids.tolist() == [[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]


def test_codes_come_back_as_they_were():
    """hnswlib#203: the index returned normalised codes."""
    assert index().codes.tobytes() == CODES.tobytes()


@pytest.mark.parametrize("engine", ["cpu", lk.FaissEngine("IVF8,Flat", {"nprobe": 1}), "faiss"])
def test_no_neighbour_is_made_up(engine):
    """faiss#2657, USearch#393: missing neighbours had the id -1, or whatever was in memory."""
    each = lk.CosineIndex.from_codes(np.tile(CODES, (20, 1)), engine=engine)
    assert np.isin(each.search(QUERIES, 300).ids, each.ids).all()
    with pytest.raises(ValueError, match="k must be from 1 to 480"):
        each.search(QUERIES, 481)


def test_a_loaded_index_knows_its_shape(tmp_path):
    """annoy#394: loading with another dimension ended in a segmentation fault."""
    index().save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors")
    with pytest.raises(ValueError, match="queries must have 4 columns"):
        loaded.search(np.ones((1, 5)), 1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_a_copy_is_an_index_of_its_own(copied, engine):
    """hnswlib#605: indexes could not be pickled. Here, shallow copies once shared codes, but not labels."""
    each = lk.CosineIndex.from_codes(CODES, LABELS, np.arange(24) * 100, engine=engine, threads=1)
    each.remove([300])
    other = copied(each)
    assert_same_bytes(other.search(QUERIES, 4, scores64=True), each.search(QUERIES, 4, scores64=True))
    other.add(CODES[:2], ["hat", "bag"])
    assert len(other) == len(other.labels) == len(other.ids) == 25
    assert other.ids[-2:].tolist() == [24, 25]
    assert len(each) == len(each.labels) == len(each.ids) == 23
    assert other.engine == each.engine
    empty = copied(lk.CosineIndex(7, strategy="int8"))
    assert (len(empty), empty.dim, empty.strategy) == (0, 7, "int8")


def test_files_that_cannot_be_written_are_named(tmp_path):
    """As in faiss#423, the error once named a temporary file."""
    for path, error in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "no" / "index", FileNotFoundError),
        (tmp_path / "file" / "index", NotADirectoryError),
    ):
        (tmp_path / "file").touch()
        with pytest.raises(error) as caught:
            index().save(path)
        assert caught.value.filename in (str(path), str(path.parent))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
