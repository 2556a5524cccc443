"""Input of many kinds to indexes and classifiers, which is accepted as it is meant or refused by its kind.

Most cases stand for a public report about another library, named beside them; no code of theirs is used. The
table of reports that hold here is in tests/README.md.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import latentknn as lk
import reference
from checking import assert_same_bytes
from received_cases import (
    CODES,
    LABELS,
    QUERIES,
    TAKE_CODES,
    assert_same,
    index,
    take_codes,
    take_ids,
    take_labels,
)

# 1: an add of nothing


def test_an_add_of_nothing_changes_nothing():
    each = lk.CosineIndex.from_codes(np.eye(4))
    each.add(np.zeros((0, 4)), ids=[])
    each.add(np.eye(4))
    assert each.ids.tolist() == list(range(8))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_adds_of_nothing_in_any_order(adds, with_ids, with_labels):
    """Rows come in parts, some empty, which may or may not bring the ids and labels of no rows."""
    rng = np.random.default_rng(2)
    parts, plain = lk.CosineIndex(4), lk.CosineIndex(4)
    for number, (count, extras) in enumerate(adds):
        codes = rng.standard_normal((count, 4))
        ids = np.arange(count) + 10 * number if (with_ids if count else extras) else None
        labels = [number] * count if (with_labels if count else extras) else None
        parts.add(codes, labels, ids)
        if count:
            plain.add(codes, labels, ids)
    assert parts.ids.tolist() == plain.ids.tolist()
    assert (parts.labels is None) == (plain.labels is None)
    parts.add(np.eye(4), [9] * 4 if with_labels else None, np.arange(100, 104) if with_ids else None)
    plain.add(np.eye(4), [9] * 4 if with_labels else None, np.arange(100, 104) if with_ids else None)
    assert parts.ids.tolist() == plain.ids.tolist()
    assert_same_bytes(parts.search(QUERIES, 3, scores64=True), plain.search(QUERIES, 3, scores64=True))


@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_bad_adds_of_nothing_are_refused(engine):
    each = lk.CosineIndex.from_codes(CODES, LABELS, engine=engine)
    for codes, labels, ids in (
        (np.zeros((0, 5)), None, None),
        (np.zeros((0, 4)), ["a"], None),
        (np.zeros((0, 4)), None, [3]),
    ):
        with pytest.raises(ValueError, match="shape"):
            each.add(codes, labels, ids)
    assert len(each) == len(CODES)


# 2: PyTorch's tensors (pytorch#110285: bfloat16 has no NumPy type)


@take_codes
def test_tensors_of_torch(take):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(CODES)
    expected = take(CODES)
    assert_same(take(tensor), expected)
    assert_same(take(tensor.clone().requires_grad_()), expected)
    assert_same(take(torch.nn.Parameter(tensor.clone())), expected)
    assert_same(take(torch._neg_view(-tensor)), expected)
    rounded = CODES.astype(ml_dtypes.bfloat16).astype(np.float32)
    bfloat16 = tensor.to(torch.bfloat16)
    assert_same(take(bfloat16), take(rounded))
    assert_same(take(bfloat16.clone().requires_grad_()), take(rounded))


def test_lists_and_sparse_tensors_of_torch():
    torch = pytest.importorskip("torch")
    rows = [row.to(torch.bfloat16).requires_grad_() for row in torch.from_numpy(CODES)]
    rounded = CODES.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert lk.CosineIndex.from_codes(rows).codes.tobytes() == rounded.tobytes()
    with pytest.raises(TypeError, match=r"sparse.*to_dense"):
        index().search(torch.from_numpy(QUERIES).to_sparse(), 2)
    by_class = torch.from_numpy(np.stack([QUERIES] * 3)).to(torch.bfloat16)
    expected = index().search_per_class(QUERIES.astype(ml_dtypes.bfloat16), 2)
    assert_same(index().search_per_class(by_class, 2).similarities, expected.similarities)
    labels = torch.arange(24) % 3
    assert lk.CosineIndex.from_codes(CODES, labels).labels.tolist() == labels.tolist()


# 3: columns of lists, and what is no array

FIXED = pa.FixedSizeListArray.from_arrays(pa.array(CODES.ravel()), 4)
COLUMNS = {
    "pandas arrays": pd.Series(list(CODES)),
    "pandas lists": pd.Series(CODES.tolist()),
    "pandas frame": pd.DataFrame({"codes": list(CODES)}),
    "polars List": pl.Series(list(CODES), dtype=pl.List(pl.Float32)),
    "polars Array": pl.Series(list(CODES), dtype=pl.Array(pl.Float32, 4)),
    "polars frame": pl.DataFrame({"codes": list(CODES)}),
    "Arrow FixedSizeList": FIXED,
    "Arrow List": pa.array(CODES.tolist(), pa.list_(pa.float32())),
    "Arrow chunks": pa.chunked_array([FIXED[:5], FIXED[5:]]),
    "Arrow table": pa.table({"codes": FIXED}),
    "object array": np.array([None, *CODES], dtype=object)[1:],
}


@take_codes
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_lists(take, column):
    assert_same(take(column), take(CODES))


def test_lists_of_different_types_are_rounded_once():
    number = 2**60 + 2**36 + 1
    column = np.empty(2, object)
    column[:] = [np.array([number, 1]), np.array([0.5, 1])]
    assert lk.CosineIndex.from_codes(column).codes[0, 0] == np.float32(2.0**60 * (1 + 2.0**-23))


@take_codes
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (None, r"row 7 of the \w+ is missing"),
        (pd.NA, r"row 7 of the \w+ is missing"),
        (3.5, r"row 7 of the \w+ is a float, others are sequences"),
        ([1.0, 2.0, 3.0], r"row 7 has shape \(3,\), the first \(4,\)"),
    ],
)
def test_columns_with_a_wrong_list_are_refused(take, row, said):
    column = np.empty(len(CODES), object)
    column[:] = list(CODES)
    column[7] = row
    with pytest.raises(ValueError, match=said):
        take(pd.Series(column))


class Batches:
    """A stand-in for tf.data.Dataset, so that these tests need no TensorFlow."""

    def as_numpy_iterator(self) -> None:
        raise AssertionError


NO_ARRAYS = {
    "sparse matrix": (sparse.csr_matrix(CODES), r"are a sparse csr_matrix.*pass \w+.toarray"),
    "sparse array": (sparse.coo_array(CODES), r"are a sparse coo_array.*pass \w+.toarray"),
    "generator": ((row for row in CODES), "are a generator, which can be read only once; pass an array"),
    "map": (map(list, CODES), "are a map, which can be read only once; pass an array"),
    "data set": (Batches(), "are a data set of TensorFlow; pass an array"),
    "index": (lk.CosineIndex.from_codes(CODES), "a CosineIndex; pass an array, such as its codes"),
    "result": (lk.cosine_search(CODES, QUERIES, 2), "received a SearchResult; pass an array|array"),
    "mapping": ({"a": CODES}, "received a dict; pass an array|array|dict"),
    "set": ({1.0, 2.0}, "received a set; pass an array|array|set"),
    "nothing": (None, "received a NoneType; pass an array|array|None"),
}


@take_codes
@pytest.mark.parametrize(("given", "said"), NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_is_no_array_is_refused(take, given, said):
    """The message names what was passed; the classifiers may give the message of scikit-learn's checks."""
    asks_for_training_codes = ("predict", "predict_proba", "kneighbors", "score")
    if given is None and take in [TAKE_CODES[name] for name in asks_for_training_codes]:
        assert np.size(take(None)) > 0
        return
    with pytest.raises((TypeError, ValueError), match=said):
        take(given)


@pytest.mark.parametrize(("given", "said"), NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_an_index_says_what_to_pass_instead(given, said):
    with pytest.raises(TypeError, match=said.split("|")[0]):
        lk.CosineIndex.from_codes(given)


# 4: masked arrays


@take_codes
@settings(max_examples=8)
@given(row=st.integers(0, 23), column=st.integers(0, 3))
def test_masked_values_are_no_data(take, row, column):
    masked = np.ma.masked_array(CODES, mask=False)
    assert_same(take(masked), take(CODES))
    masked[row, column] = np.ma.masked
    with pytest.raises(ValueError, match=rf"row {row} of the \w+ is masked"):
        take(masked)


@take_labels
def test_masked_labels_are_no_labels(take):
    take(np.ma.masked_array(np.arange(24) % 3, mask=False))
    with pytest.raises(ValueError, match="row 5 of the labels is masked"):
        take(np.ma.masked_array(np.arange(24) % 3, mask=np.arange(24) == 5))


@take_ids
def test_masked_ids_are_no_ids(take):
    take(np.ma.masked_array(np.arange(24), mask=False))
    with pytest.raises(ValueError, match="row 6 of the ids is masked"):
        take(np.ma.masked_array(np.arange(24), mask=np.arange(24) == 6))


def test_masked_flags_are_no_flags():
    flags = np.ma.masked_array(np.ones(24, bool), mask=np.arange(24) == 2)
    with pytest.raises(ValueError, match="row 2 of the allowed is masked"):
        index().search(QUERIES, 2, allowed=flags)


def test_missing_values_of_pandas_are_not_numbers():
    frame = pd.DataFrame(CODES).astype("Float64")
    assert_same(lk.CosineIndex.from_codes(frame).codes, CODES)
    frame.iloc[3, 1] = pd.NA
    with pytest.raises(ValueError, match="row 3 of the codes contains NaN"):
        lk.CosineIndex.from_codes(frame)


# 7: numbers that no common type holds


@settings(max_examples=100)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=4),
    st.booleans(),
)
def test_joined_labels_are_kept_or_refused(integers, floats, integers_first):
    parts = [np.array(integers), np.array(floats)]
    first, second = parts if integers_first else parts[::-1]
    each = lk.CosineIndex.from_codes(np.ones((len(first), 2)), first)
    if all(int(float(number)) == number for number in integers):
        each.add(np.ones((len(second), 2)), second)
        assert each.labels.tolist() == first.tolist() + second.tolist()
    else:
        with pytest.raises(ValueError, match="cannot hold label"):
            each.add(np.ones((len(second), 2)), second)
        assert each.labels.tolist() == first.tolist()


def test_ids_are_never_rounded():
    with pytest.raises(TypeError, match="ids must be integers, received dtype float64"):
        lk.CosineIndex.from_codes(CODES[:2], ids=[2.0**53, 1.0])
    with pytest.raises(ValueError, match="fit int64"):
        lk.CosineIndex.from_codes(CODES[:2], ids=np.array([2**63, 1], np.uint64))


# 8: ties of votes (scikit-learn#17035)


def test_equal_votes_go_to_the_nearest_neighbour_and_equal_shares_to_both():
    clf = lk.CosineKNNClassifier(2).fit(np.eye(2), [0, 1])
    queries = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert clf.predict_proba(queries).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert clf.predict(queries).tolist() == [0, 1]
    for method in (lk.CosineKNNClassifier.predict_proba, lk.ClassConditionalKNNClassifier.predict_proba):
        assert "`predict` takes the one whose nearest neighbour comes first" in " ".join(
            method.__doc__.split()
        )


# 9: nothing to find


@pytest.mark.parametrize("engine", ["cpu", "faiss"])
def test_an_empty_index_says_so(engine):
    empty = lk.CosineIndex(4, engine=engine)
    for search in (empty.search, empty.recall):
        with pytest.raises(ValueError, match="the index is empty"):
            search(QUERIES, 1)
    with pytest.raises(ValueError, match="there are no other codes in the index"):
        empty.search_self(1)
    one = lk.CosineIndex.from_codes(CODES[:1], ["a"], engine=engine)
    with pytest.raises(ValueError, match="there are no other codes in the index"):
        one.search_self(1)
    with pytest.raises(ValueError, match="there are no allowed codes"):
        one.search(QUERIES, 1, allowed=[False])
    with pytest.raises(
        ValueError, match="k must be from 1 to 1, the number of codes in the index, received 2"
    ):
        one.search(QUERIES, 2)
    one.remove([0])
    with pytest.raises(ValueError, match="the index is empty"):
        one.search(QUERIES, 1)


def test_a_one_shot_search_among_nothing_is_refused():
    with pytest.raises(ValueError, match="the index is empty"):
        lk.cosine_search(np.zeros((0, 4)), QUERIES, 1)


# 21: results


def test_results_are_equal_to_themselves_alone():
    first, second = (lk.cosine_search(CODES, QUERIES, 2) for _ in range(2))
    assert first != second
    assert first in [second, first]
    assert len({first, second}) == 2


def test_answers_of_other_kinds_of_input_are_exact():
    """Input of every accepted kind is searched by the contract."""
    expected = reference.search(CODES, QUERIES, 3)
    for column in COLUMNS.values():
        assert_same_bytes(lk.CosineIndex.from_codes(column).search(QUERIES, 3, scores64=True), expected)
