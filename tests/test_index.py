"""The public class CosineIndex: contents, ids, labels and messages. test_exactness.py tests its answers."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import latentknn as lk
import reference
from checking import assert_same_bytes
from index_cases import CODES, LABELS, assert_same_index
from latentknn import _core
from latentknn.index.labelled_rows import LabelledRows

# Contents


def test_attributes_hold_what_was_given():
    index = lk.CosineIndex.from_codes(CODES, LABELS, [4, 3, -1, 0, 7], threads=1)
    assert len(index) == 5
    assert index.dim == 3
    assert index.labels.tolist() == LABELS.tolist()
    assert index.classes.tolist() == ["bag", "coat", "shoe"]
    assert index.ids.dtype == np.int64
    assert index.ids.tolist() == [4, 3, -1, 0, 7]
    assert index.codes.dtype == np.float32
    assert index.codes.tobytes() == CODES.tobytes()
    assert index.exact is True
    assert isinstance(index.engine, str)
    assert index.engine != "auto"
    assert index.strategy in _core.strategy_names()


def test_attributes_of_an_empty_index():
    index = lk.CosineIndex(3)
    assert len(index) == 0
    assert index.dim == 3
    assert index.ids.shape == (0,)
    assert index.codes.shape == (0, 3)


def test_attributes_are_read_only():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    for name in ("dim", "labels", "ids", "codes", "classes", "engine", "exact", "strategy", "isa"):
        with pytest.raises(AttributeError):
            setattr(index, name, None)


@pytest.mark.parametrize("count", [2, 60, 5000])
def test_strategy_is_the_one_asked_for(strategy, count):
    assert lk.CosineIndex(3, strategy=strategy).strategy == strategy
    codes = np.random.default_rng(0).standard_normal((count, 20))
    used = lk.CosineIndex.from_codes(codes, strategy=strategy).strategy
    assert used == strategy or (strategy == "auto" and used in _core.strategy_names())


def test_repr_is_one_line():
    text = repr(lk.CosineIndex.from_codes(CODES, LABELS))
    assert text.startswith("CosineIndex(")
    assert "5" in text
    assert "3" in text
    assert "\n" not in text


def test_result_unpacks_into_two():
    result = lk.CosineIndex.from_codes(CODES, ids=[9, 8, 7, 6, 5]).search(CODES, 2)
    similarities, ids = result
    assert similarities is result.similarities
    assert ids is result.ids
    assert similarities.dtype == np.float32
    assert ids.dtype == np.int64
    assert similarities.shape == ids.shape == result.positions.shape == (5, 2)
    assert ids.tolist() == (9 - result.positions).tolist()


def test_scores64_only_when_asked_for():
    index = lk.CosineIndex.from_codes(CODES)
    assert index.search(CODES, 2).scores64 is None
    assert index.search_self(2).scores64 is None
    assert index.search(CODES, 2, scores64=True).scores64.dtype == np.float64
    assert index.search_self(2, scores64=True).scores64.dtype == np.float64


def test_scores_are_the_best_that_were_asked_for():
    index = lk.CosineIndex.from_codes(CODES)
    exact = index.search([[3, 2, 1]], 4, scores64=True)
    assert exact.scores is exact.scores64
    rounded = index.search([[3, 2, 1]], 4).scores
    assert rounded.dtype == np.float64
    assert np.array_equal(rounded, exact.similarities)
    assert not np.array_equal(rounded, exact.scores)


def test_k_is_ten_by_default():
    codes = np.random.default_rng(0).standard_normal((20, 3))
    index = lk.CosineIndex.from_codes(codes)
    assert index.search(codes).ids.shape == (20, 10)
    assert index.search_self().ids.shape == (20, 10)
    assert lk.cosine_search(codes, codes).ids.shape == (20, 10)


# Ids


def test_ids_are_insertion_positions_by_default():
    index = lk.CosineIndex(3)
    index.add(CODES[:2])
    index.add(CODES[2:])
    assert index.ids.tolist() == [0, 1, 2, 3, 4]


def test_default_ids_are_never_used_again():
    index = lk.CosineIndex.from_codes(CODES)
    index.remove([4, 1])
    assert index.ids.tolist() == [0, 2, 3]
    index.add(CODES[:2])
    assert index.ids.tolist() == [0, 2, 3, 5, 6]


def test_default_ids_that_meet_given_ones_are_refused():
    index = lk.CosineIndex.from_codes(CODES, ids=[10, 11, 12, 13, 6])
    index.add(CODES[:1])
    assert index.ids.tolist() == [10, 11, 12, 13, 6, 5]
    with pytest.raises(ValueError, match=r"\b6\b"):
        index.add(CODES[:1])
    assert len(index) == 6


@pytest.mark.parametrize(
    ("ids", "duplicate"),
    [([7, 8, 7], 7), ([7, 8, 3], 3), ([0, 7, 8], 0), ([-(2**63), 5, -(2**63)], -(2**63))],
)
def test_duplicate_ids_are_refused(ids, duplicate):
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises(ValueError, match=rf"(?<!\d){duplicate}\b"):
        index.add(CODES[:3], ids=ids)
    assert_same_index(index, lk.CosineIndex.from_codes(CODES))


@pytest.mark.parametrize(
    "ids", [[1.5, 2.5, 3.5], ["a", "b", "c"], [1, 2], [[1, 2, 3]], [2**63, 1, 2], [True, False, True], 5]
)
def test_wrong_ids_are_refused(ids):
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises((ValueError, TypeError, OverflowError), match="id"):
        index.add(CODES[:3], ids=ids)
    assert_same_index(index, lk.CosineIndex.from_codes(CODES))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_ids_of_any_integer_type_become_int64(dtype):
    ids = np.array([5, 4, 3, 2, 1], dtype=dtype)
    assert lk.CosineIndex.from_codes(CODES, ids=ids).ids.tolist() == [5, 4, 3, 2, 1]
    assert lk.CosineIndex.from_codes(CODES, ids=ids).ids.dtype == np.int64


# Removing


def test_removed_codes_are_gone():
    index = lk.CosineIndex.from_codes(CODES, LABELS, [4, 3, -1, 0, 7])
    index.remove([7, 4])
    assert_same_index(index, lk.CosineIndex.from_codes(CODES[1:4], LABELS[1:4], [3, -1, 0]))
    assert index.classes.tolist() == ["bag", "coat", "shoe"]
    result = index.search(CODES, 3, scores64=True)
    assert_same_bytes(result, reference.search(CODES[1:4], CODES, 3, ids=[3, -1, 0]))


def test_remove_nothing_and_everything():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.remove([])
    assert_same_index(index, lk.CosineIndex.from_codes(CODES, LABELS))
    index.remove(index.ids)
    assert len(index) == 0
    with pytest.raises(ValueError, match="k"):
        index.search(CODES, 1)
    index.add(CODES, LABELS)
    assert index.search(CODES, 1).positions.ravel().tolist() == [0, 1, 2, 3, 4]


def test_a_class_that_is_removed_is_gone():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.remove([3])
    assert index.classes.tolist() == ["bag", "shoe"]


def test_removed_ids_may_be_given_again():
    index = lk.CosineIndex.from_codes(CODES)
    index.remove([2])
    index.add(CODES[2:3], ids=[2])
    assert index.ids.tolist() == [0, 1, 3, 4, 2]


@pytest.mark.parametrize(("ids", "named"), [([0, 99, 1], 99), ([-1], -1)])
def test_removing_unknown_ids_is_refused(ids, named):
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    with pytest.raises(ValueError, match=rf"(?<!\d){named}\b"):
        index.remove(ids)
    assert_same_index(index, lk.CosineIndex.from_codes(CODES, LABELS))


def test_an_id_that_is_named_twice_is_removed():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    index.remove([2, 1, 2])
    assert index.ids.tolist() == [0, 3, 4]


# Labels


def test_a_labelled_index_refuses_codes_without_labels():
    index = lk.CosineIndex.from_codes(CODES, LABELS)
    with pytest.raises(ValueError, match="label"):
        index.add(CODES)
    assert_same_index(index, lk.CosineIndex.from_codes(CODES, LABELS))


def test_an_unlabelled_index_refuses_labels():
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises(ValueError, match="label"):
        index.add(CODES, LABELS)
    assert_same_index(index, lk.CosineIndex.from_codes(CODES))


@pytest.mark.parametrize("labels", [LABELS[:4], np.append(LABELS, "hat"), LABELS[:, None], "shoe"])
def test_labels_of_the_wrong_shape_are_refused(labels):
    with pytest.raises(ValueError, match="label"):
        lk.CosineIndex.from_codes(CODES, labels)


def test_classes_need_labels():
    index = lk.CosineIndex.from_codes(CODES)
    assert index.labels is None
    with pytest.raises(ValueError, match="label"):
        index.classes  # noqa: B018  # The access itself raises.


def test_longer_labels_are_not_cut():
    index = lk.CosineIndex.from_codes(CODES[:2], ["a", "b"])
    index.add(CODES[2:3], ["a much longer label"])
    assert index.labels.tolist() == ["a", "b", "a much longer label"]


# Changes


@pytest.mark.parametrize(("engine", "happened"), [("cpu", False), ("faiss", True)])
@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ("add", (CODES[:2], LABELS[:2], [70, 60])),
        ("remove", ([3, 0],)),
        ("update", (CODES[:2], [4, 1])),
        ("upsert", (CODES[:2], [4, 9], LABELS[:2])),
    ],
)
def test_an_interrupt_after_a_change_leaves_ids_and_labels_with_their_codes(
    engine, happened, change, arguments, monkeypatch
):
    """A database that is made anew is dropped; one that has changed itself stays changed."""
    index, expected = (lk.CosineIndex.from_codes(CODES, LABELS, engine=engine) for _ in range(2))
    assert index.search_per_class(CODES).ids.tobytes() == expected.search_per_class(CODES).ids.tobytes()
    changed = type(index._held.database).changed

    def interrupted(*received):
        changed(*received)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(index._held.database), "changed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(index, change)(*arguments)
    if happened:
        getattr(expected, change)(*arguments)
    assert_same_index(index, expected)
    assert index.search(CODES, 3).ids.tobytes() == expected.search(CODES, 3).ids.tobytes()
    assert index.search_per_class(CODES).ids.tobytes() == expected.search_per_class(CODES).ids.tobytes()


def test_a_change_makes_new_values_of_ids_and_labels_and_leaves_the_old_ones():
    rows = LabelledRows().extended(3, ["a", "b", "c"], None)
    more = rows.extended(1, ["d"], [9])
    _, fewer = more.without([1, 9])
    assert (rows.count, rows.ids.tolist(), rows.labels.tolist()) == (3, [0, 1, 2], ["a", "b", "c"])
    assert (more.count, more.ids.tolist(), more.next_id) == (4, [0, 1, 2, 9], 4)
    assert (fewer.count, fewer.ids.tolist(), fewer.labels.tolist()) == (2, [0, 2], ["a", "c"])
    with pytest.raises(FrozenInstanceError):
        rows.next_id = 5


# The module


def test_public_names():
    assert {"CosineIndex", "SearchResult", "CosineKNNClassifier", "cosine_search"} <= set(dir(lk))
    assert lk.CosineKNNClassifier.__name__ == "CosineKNNClassifier"
    with pytest.raises(AttributeError, match="no_such_name"):
        lk.no_such_name  # noqa: B018  # The access itself raises.


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert lk.__version__ == version("latentknn")


def test_a_one_shot_search_agrees_with_the_reference():
    similarities, ids = lk.cosine_search(CODES, CODES, 2, threads=1)
    expected = reference.search(CODES, CODES, 2)
    assert similarities.tobytes() == expected.similarities.tobytes()
    assert ids.tobytes() == expected.ids.tobytes()


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("strategy", ["auto", "pca"])
def test_few_codes_agree_with_the_reference(count, strategy):
    """There are fewer codes than the choice of a screen looks up neighbours."""
    codes = np.random.default_rng(count).standard_normal((count, 40)).astype(np.float32)
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    expected = reference.search(codes, codes, count)
    assert index.search(codes, count).ids.tobytes() == expected.ids.tobytes()


def test_no_labels_fix_no_dtype():
    index = lk.CosineIndex(2)
    index.add(np.empty((0, 2)), labels=[])
    index.add([[1, 0]], labels=["a"])
    assert index.labels.tolist() == ["a"]


def test_labels_that_no_integer_type_holds_are_refused():
    index = lk.CosineIndex.from_codes([[1, 0]], np.array([2**63 + 1], np.uint64))
    with pytest.raises(ValueError, match="no integer type"):
        index.add([[0, 1]], np.array([-1], np.int64))
    assert len(index) == 1


def test_too_many_threads_are_refused():
    with pytest.raises(ValueError, match="threads"):
        lk.CosineIndex(2, threads=2**62)


def test_labels_that_cannot_be_saved_are_refused(tmp_path):
    index = lk.CosineIndex.from_codes([[1, 0]], np.array([1], np.longdouble))
    with pytest.raises(TypeError, match="labels"):
        index.save(tmp_path / "index")
    assert not any(tmp_path.iterdir())
