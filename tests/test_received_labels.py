"""Labels of many kinds, which are accepted as they are meant or refused by their kind.

The sections name public reports about other libraries, as in test_received.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import latentknn as lk
from received_cases import (
    CODES,
    LABELS,
    QUERIES,
    assert_same,
    take_labels,
)

# Strings of every kind (scikit-learn#25634)

STRINGS = {
    "NumPy": LABELS,
    "list": LABELS.tolist(),
    "objects": LABELS.astype(object),
    "pandas objects": pd.Series(LABELS, dtype=object),
    "pandas string": pd.Series(LABELS, dtype="string"),
    "pandas category": pd.Series(LABELS, dtype="category"),
    "polars": pl.Series(LABELS.tolist()),
    "polars categories": pl.Series(LABELS.tolist(), dtype=pl.Categorical),
    "Arrow": pa.array(LABELS.tolist()),
    "Arrow dictionary": pa.array(LABELS.tolist()).dictionary_encode(),
    "variable width": LABELS.astype(np.dtypes.StringDType()),
}


@pytest.mark.parametrize("labels", STRINGS.values(), ids=STRINGS)
def test_strings_of_every_kind_are_labels(labels, tmp_path):
    each = lk.CosineIndex.from_codes(CODES, labels)
    assert each.labels.dtype == LABELS.dtype
    assert each.labels.tolist() == LABELS.tolist()
    each.add(CODES, labels)
    each.save(tmp_path / "index.safetensors")
    loaded = lk.CosineIndex.load(tmp_path / "index.safetensors")
    assert loaded.labels.tolist() == LABELS.tolist() * 2
    assert_same(loaded.search_per_class(QUERIES, 2).ids, each.search_per_class(QUERIES, 2).ids)
    assert lk.CosineKNNClassifier().fit(CODES, labels).predict(CODES).tolist() == LABELS.tolist()
    per_class = lk.ClassConditionalKNNClassifier().fit(CODES, labels)
    assert per_class.predict(CODES).tolist() == LABELS.tolist()


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=12), min_size=1)
)
def test_all_strings_are_saved_as_they_were(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("labels") / "index.safetensors"
    objects = np.empty(len(labels), object)
    objects[:] = labels
    lk.CosineIndex.from_codes(np.ones((len(labels), 2)), objects).save(path)
    assert lk.CosineIndex.load(path).labels.tolist() == labels


def test_objects_that_are_numbers_are_saved(tmp_path):
    for labels in ([3, 1, 2] * 8, [0.5, 2.0, 1.0] * 8, [True, False, True] * 8):
        each = lk.CosineIndex.from_codes(CODES, np.array(labels, dtype=object))
        each.save(tmp_path / "index.safetensors")
        loaded = lk.CosineIndex.load(tmp_path / "index.safetensors").labels
        assert loaded.tolist() == labels
        assert loaded.dtype == np.array(labels).dtype


def test_strings_that_numpy_would_cut_off_are_refused():
    with pytest.raises(ValueError, match=r"label 1 is 'b\\x00'"):
        lk.CosineIndex.from_codes(CODES[:2], np.array(["a", "b\0"], dtype=object))


# Labels that are missing (scikit-learn#25073)


@take_labels
@settings(max_examples=12)
@given(
    row=st.integers(0, 23),
    missing=st.sampled_from([None, np.nan, pd.NA, pd.NaT, float("nan")]),
    strings=st.booleans(),
)
def test_a_missing_label_is_refused_at_once(take, row, missing, strings):
    labels = (LABELS if strings else np.arange(24) % 3).astype(object)
    labels[row] = missing
    with pytest.raises(ValueError, match=rf"label {row} is missing"):
        take(labels)


@take_labels
@pytest.mark.parametrize(
    ("labels", "row"),
    [
        (np.where(np.arange(24) == 4, np.nan, np.arange(24) % 3), 4),
        (pd.Series([*range(23), None], dtype="Int64"), 23),
        (pd.Series([None, *LABELS[1:]], dtype="string"), 0),
        (pd.Series([*LABELS[:9], None, *LABELS[10:]], dtype="category"), 9),
        (pl.Series([*LABELS[:9].tolist(), None, *LABELS[10:].tolist()]), 9),
        (pa.array([*LABELS[:9].tolist(), None, *LABELS[10:].tolist()]), 9),
    ],
)
def test_a_missing_label_of_any_type_is_refused(take, labels, row):
    with pytest.raises(ValueError, match=rf"label {row} is missing|contains NaN"):
        take(labels)


@take_labels
def test_numbers_among_strings_are_refused(take):
    labels = LABELS.astype(object)
    labels[11] = 3
    with pytest.raises((TypeError, ValueError), match=r"all strings or all numbers, received .* label 11, 3"):
        take(labels)


def test_a_bad_label_changes_nothing():
    each = lk.CosineIndex.from_codes(CODES, LABELS)
    for labels in (["a", None], ["a", 1], [1.5, 2.5], np.ma.masked_array(["a", "b"], mask=[0, 1])):
        with pytest.raises((TypeError, ValueError)):
            each.add(
                CODES[:2], np.ma.asarray(labels) if np.ma.isMA(labels) else np.array(labels, dtype=object)
            )
        assert len(each) == len(each.labels) == 24
