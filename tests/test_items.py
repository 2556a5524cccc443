"""Codes of an index by their ids, and labels and metadata that come with answers."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

import latentknn as lk
from checking import assert_same_results
from index_cases import CODES, LABELS
from latentknn.index import Item, Items

pa = pytest.importorskip("pyarrow")

IDS = np.array([2**63 - 1, -(2**63), 0, 7, -1])
FILES = [None, "b.png", "c.png", "d.png", "e.png"]


def labelled(**settings):
    return lk.CosineIndex.from_codes(CODES, LABELS, IDS, metadata={"file": FILES, "n": range(5)}, **settings)


@pytest.fixture(params=["cpu", "faiss", "cuda"])
def index(request):
    if request.param == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    elif request.param == "faiss":
        pytest.importorskip("faiss")
    return labelled(engine=request.param)


def test_an_id_gives_its_code_and_what_belongs_to_it(index):
    for position, id_ in enumerate(IDS.tolist()):
        item = index[id_]
        assert isinstance(item, Item)
        assert (item.id, item.position, item.label) == (id_, position, LABELS[position])
        assert item.code.dtype == np.float32
        assert item.code.tobytes() == CODES[position].tobytes()
        assert item.metadata == {"file": FILES[position], "n": position}
        assert id_ in index
        assert np.int64(id_) in index


def test_ids_give_columns_in_their_order(index):
    items = index[IDS[[3, 0, 3]]]
    assert isinstance(items, Items)
    assert items.positions.tolist() == [3, 0, 3]
    assert items.codes.tobytes() == CODES[[3, 0, 3]].tobytes()
    assert items.labels.tolist() == LABELS[[3, 0, 3]].tolist()
    assert items.metadata["n"].to_pylist() == [3, 0, 3]
    assert [each.id for each in items] == [7, 2**63 - 1, 7]
    assert len(index[[]]) == 0
    assert list(index) == IDS.tolist()


def test_changes_move_what_ids_give(index):
    index.remove([-(2**63), 0])
    index.update([[5, 5, 5]], ids=[7], labels=["new"], metadata={"file": ["f"], "n": [9]})
    assert 0 not in index
    assert index.get(0) is None
    assert (index[7].position, index[7].label, index[7].code.tolist()) == (2, "new", [5, 5, 5])
    assert index[[-1, 7]].positions.tolist() == [1, 2]
    index.compact()
    assert index[-1].code.tobytes() == CODES[4].tobytes()


@pytest.mark.parametrize("id_", [1, -2, 2**63, -(2**63) - 1, 2**200])
def test_an_id_that_no_code_has_is_a_key_error(id_):
    index = labelled(engine="cpu")
    assert id_ not in index
    assert index.get(id_) is None
    assert index.get(id_, "none") == "none"
    with pytest.raises(KeyError, match=f"id {id_} is not in the index"):
        index[id_]


@pytest.mark.parametrize("id_", ["7", True, 7.0, None, slice(0, 2), (0, 7), ((0,),)])
def test_what_is_no_id_is_in_no_index_and_refused(id_):
    index = labelled(engine="cpu")
    assert id_ not in index
    with pytest.raises(TypeError, match="get takes one id"):
        index.get(id_)
    if id_ != (0, 7):
        with pytest.raises(TypeError, match="an id or an array of ids"):
            index[id_]
    with pytest.raises(KeyError, match="id 8 is not"):
        index[[7, 8]]
    with pytest.raises(TypeError, match="ids must be integers"):
        index[[7.0]]


def test_ids_that_are_positions_are_looked_up_too():
    index = lk.CosineIndex.from_codes(CODES, engine="cpu")
    index.remove([1])
    assert [1 in index, 2 in index, 5 in index, -1 in index] == [False, True, False, False]
    item = index[2]
    assert (item.position, item.label, item.metadata) == (1, None, None)
    assert list(lk.CosineIndex(2)) == []
    assert 0 not in lk.CosineIndex(2)


def test_codes_are_found_by_values_of_their_metadata(index):
    assert index.ids_of("file", ["d.png", "b.png", "d.png"]).tolist() == [7, -(2**63), 7]
    assert index.ids_of("n", np.array([4, 0])).tolist() == [-1, 2**63 - 1]
    assert index.ids_of("file", []).shape == (0,)
    index.remove(index.ids_of("file", ["b.png"]))
    assert index[index.ids_of("file", ["d.png"])].positions.tolist() == [2]
    index.update(CODES[:1], ids=index.ids_of("file", ["c.png"]))
    assert index[0].metadata["file"] == "c.png"
    words = lk.CosineIndex.from_codes(
        CODES, metadata={"word": pa.array(["a", "b", "b", None, None]).dictionary_encode()}, engine="cpu"
    )
    assert words.ids_of("word", ["a"]).tolist() == [0]
    for values, error, message in (
        (["a", "b"], ValueError, "several codes have 'b' in column 'word'"),
        (["a", "c"], KeyError, "no code has 'c'"),
        ([None], KeyError, "no code has None"),
        ([1], TypeError, "values of column 'word' are of type string"),
        ("a", TypeError, "values"),
    ):
        with pytest.raises(error, match=message):
            words.ids_of("word", values)
    with pytest.raises(KeyError, match="no column 'n', but 'word'"):
        words.ids_of("n", [1])
    with pytest.raises(ValueError, match="no metadata"):
        lk.CosineIndex.from_codes(CODES).ids_of("n", [1])


def test_answers_tell_labels_and_metadata(index):
    found = index.search(CODES, k=3)
    positions = found.positions
    assert found.labels.tolist() == LABELS[positions].tolist()
    assert found.labels.dtype == LABELS.dtype
    assert found.metadata["n"].to_numpy().reshape(positions.shape).tolist() == positions.tolist()
    itself_left_out = index.search_self(k=2)
    assert itself_left_out.labels.tolist() == LABELS[itself_left_out.positions].tolist()
    of_classes = index.search_per_class(CODES, k=1)
    assert (of_classes.labels == index.classes[:, np.newaxis, np.newaxis]).all()


def test_neighbours_that_there_are_not_have_no_labels():
    index = labelled(engine="cpu")
    found = index.search(CODES, k=3, allowed=lk.Groups(["bag", "coat", "none", "bag", "shoe"]), pad=True)
    assert found.labels.mask.sum(axis=1).tolist() == [1, 2, 3, 1, 1]
    assert found.labels.tolist()[1:3] == [["coat", None, None], [None, None, None]]
    numbers = found.metadata["n"].to_pylist()
    assert len(numbers) == 15
    assert [each is None for each in numbers] == (found.positions.ravel() < 0).tolist()
    nothing = index.search(CODES, k=3, allowed=[], pad=True)
    assert nothing.labels.mask.all()
    assert nothing.metadata["n"].null_count == 15


def test_answers_tell_what_was_there_when_they_were_found(index):
    before = index.search(CODES, k=2)
    positions = before.positions.copy()
    index.update(CODES[::-1], ids=IDS, labels=["x"] * 5, metadata={"file": ["x"] * 5, "n": [0] * 5})
    index.remove(IDS[:3])
    assert before.labels.tolist() == LABELS[positions].tolist()
    assert before.metadata["n"].to_pylist() == positions.ravel().tolist()


def test_an_index_without_labels_tells_none():
    found = lk.cosine_search(CODES, CODES, k=2)
    assert found.labels is None
    assert found.metadata is None


def test_answers_of_shards_say_where_the_labels_are():
    shards = lk.shards.ShardedIndex([labelled(engine="cpu")])
    with pytest.raises(ValueError, match=r"index\.labels\[result\.positions\]"):
        _ = shards.search(CODES, k=1).labels


def test_a_pickled_answer_takes_its_own_labels_along_and_no_others():
    count = 20_000
    codes = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, np.arange(count), metadata={"n": range(count)}, engine="cpu")
    found = index.search(codes[:3], k=2)
    pickled = pickle.dumps(found)
    assert len(pickled) < 20_000
    loaded = pickle.loads(pickled)
    assert loaded.labels.tolist() == found.labels.tolist()
    assert loaded.metadata.equals(found.metadata)
    assert copy.deepcopy(found).labels.tolist() == found.labels.tolist()


def test_labels_fit_answers_while_another_thread_changes_the_index(index):
    # The label of a code is its first number, whatever the order in which rows stand.
    codes = np.arange(1, 41, dtype=np.float32)[:, np.newaxis] * np.float32([1, 0, 0]) + np.float32([0, 1, 1])
    index = lk.CosineIndex.from_codes(codes, codes[:, 0], engine=index.engine)

    def change():
        for number in range(20):
            index.update(codes[number : number + 1], ids=[number])

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        while not changing.done():
            found = index.search(codes, k=1)
            assert found.labels[:, 0].tolist() == codes[found.ids[:, 0], 0].tolist()
        changing.result()


def _answers(index, queries):
    found = index.search(queries, k=3, scores64=True)
    return found, index[7], found.labels


def test_an_index_goes_to_processes_and_answers_there_alike():
    index = labelled(engine="cpu")
    expected = index.search(CODES, k=3, scores64=True)
    by_processes = joblib.Parallel(n_jobs=2)(joblib.delayed(_answers)(index, CODES) for _ in range(2))
    for found, item, labels in by_processes:
        assert_same_results(found, expected)
        assert labels.tolist() == expected.labels.tolist()
        assert item.metadata == {"file": "d.png", "n": 3}
    assert_same_results(copy.deepcopy(index).search(CODES, k=3, scores64=True), expected)


@pytest.mark.parametrize("key", [np.array(1.5), np.array("1"), np.array(True), np.bool_(True), 1.0])
def test_what_is_no_integer_is_no_id(key):
    index = lk.CosineIndex.from_codes(np.eye(3))
    assert key not in index
    with pytest.raises(TypeError):
        index[key]


def test_an_integer_in_an_array_without_axes_is_an_id():
    index = lk.CosineIndex.from_codes(np.eye(3))
    assert index[np.array(1)].id == 1
    assert np.array(1) in index
