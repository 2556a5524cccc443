"""Refused inputs, which leave the index unchanged."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes

CODES, QUERIES = cases.build("mixture", 0, 83, 29, 13)


def assert_unchanged(index):
    assert len(index) == 83
    assert index.ids.tolist() == list(range(83))
    assert_same_bytes(index.search(QUERIES, 5, scores64=True), reference.search(CODES, QUERIES, 5))


def assert_refused(error, message, codes, **columns):
    """Assert that `add`, `from_codes` and `search` refuse the codes, and that the index stays unchanged."""
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises(error, match=message):
        index.add(codes, **columns)
    assert_unchanged(index)
    if not columns:
        with pytest.raises(error, match=message):
            index.search(codes, 1)
        with pytest.raises(error, match=message):
            lk.cosine_search(CODES, codes, 1)
    assert_unchanged(index)
    with pytest.raises(error, match=message):
        lk.CosineIndex.from_codes(codes, **columns)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, object])
@pytest.mark.parametrize("column", [0, 7, 12])
def test_rows_that_are_not_finite_are_refused(dtype, value, column):
    codes = QUERIES.astype(np.float32).clip(-9, 9).astype(dtype)
    codes[17, column] = value
    codes[20, 0] = np.nan
    assert_refused(ValueError, r"\brow 17\b", codes)


@settings(max_examples=60)
@given(
    rows=st.integers(1, 40),
    dim=st.integers(1, 40),
    bad=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), min_size=1, max_size=3),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    fortran=st.booleans(),
)
def test_first_bad_row_is_named(rows, dim, bad, value, fortran):
    codes = np.ones((rows, dim), dtype=np.float32, order="F" if fortran else "C")
    places = [(row % rows, column % dim) for row, column in bad]
    for place in places:
        codes[place] = value
    with pytest.raises(ValueError, match=rf"\brow {min(places)[0]}\b"):
        lk.CosineIndex.from_codes(codes)


@pytest.mark.parametrize("value", [3.5e38, -1e300, 10**40])
def test_rows_that_become_infinite_are_refused(value):
    codes = np.ones((9, 13)).astype(object if isinstance(value, int) else np.float64)
    codes[4, 3] = value
    assert_refused(ValueError, r"\brow 4\b", codes)


def test_largest_float64_that_rounds_to_a_float32_is_accepted():
    below = np.nextafter(float(np.finfo(np.float32).max) + 2.0**103, 0)
    assert lk.CosineIndex.from_codes([[below]]).codes[0, 0] == np.finfo(np.float32).max
    with pytest.raises(ValueError, match=r"\brow 0\b"):
        lk.CosineIndex.from_codes([[np.nextafter(below, np.inf)]])


def test_rows_that_become_zero_are_refused():
    codes = np.ones((9, 13))
    codes[2] = 0  # a row that is zero before rounding is accepted
    codes[5] = 1e-60
    assert_refused(ValueError, r"\brow 5\b", codes)
    codes[5, 12] = 1.0
    assert len(lk.CosineIndex.from_codes(codes)) == 9


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, "U4", "S4", "datetime64[s]"])
def test_types_that_are_no_numbers_are_refused(dtype):
    assert_refused(TypeError, "number", np.ones((3, 13), dtype=np.int64).astype(dtype))


@pytest.mark.parametrize("value", ["text", 1j, {}])
def test_objects_that_are_no_numbers_are_refused(value):
    codes = np.ones((3, 13), dtype=object)
    codes[1, 2] = value
    assert_refused(TypeError, "number", codes)


@pytest.mark.parametrize("shape", [(13,), (), (2, 3, 13), (3, 12), (3, 14), (3, 0)])
def test_wrong_shapes_are_refused(shape):
    index = lk.CosineIndex.from_codes(CODES)
    message = "reshape" if shape == (13,) else r"shape|dim"
    with pytest.raises(ValueError, match=message):
        index.add(np.ones(shape))
    with pytest.raises(ValueError, match=message):
        index.search(np.ones(shape), 1)
    assert_unchanged(index)


def test_ragged_lists_are_refused():
    with pytest.raises((ValueError, TypeError)):
        lk.CosineIndex.from_codes([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("dim", [0, -1])
def test_a_dimension_below_one_is_refused(dim):
    with pytest.raises(ValueError, match="dim"):
        lk.CosineIndex(dim)


def test_codes_without_columns_are_refused():
    with pytest.raises(ValueError, match=r"shape|dim"):
        lk.CosineIndex.from_codes(np.ones((3, 0)))


@pytest.mark.parametrize("k", [0, -1, 84, 2**40])
def test_k_out_of_range_is_refused(k):
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises(ValueError, match=rf"\bk\b.*{k}|{k}.*\bk\b"):
        index.search(QUERIES, k)
    assert_unchanged(index)


@pytest.mark.parametrize("k", [0, 83])
def test_k_out_of_range_among_the_others_is_refused(k):
    index = lk.CosineIndex.from_codes(CODES)
    index.search_self(82)
    with pytest.raises(ValueError, match=r"\bk\b"):
        index.search_self(k)


@pytest.mark.parametrize("k", [1.5, "3", None])
def test_k_that_is_no_integer_is_refused(k):
    with pytest.raises(TypeError):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, k)


def test_k_may_be_of_a_numpy_type():
    assert lk.CosineIndex.from_codes(CODES).search(QUERIES, np.int64(3)).ids.shape == (29, 3)


def test_fewer_allowed_codes_than_k_are_refused():
    index = lk.CosineIndex.from_codes(CODES)
    allowed = np.zeros(83, dtype=bool)
    allowed[:4] = True
    index.search(QUERIES, 4, allowed=allowed)
    with pytest.raises(ValueError, match=r"(?s)(5.*4|4.*5)"):
        index.search(QUERIES, 5, allowed=allowed)
    with pytest.raises(ValueError, match="allowed"):
        index.search(QUERIES, 1, allowed=np.zeros(83, dtype=bool))


@pytest.mark.parametrize("shape", [(82,), (84,), (83, 1), ()])
def test_a_mask_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match="allowed"):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, 1, allowed=np.ones(shape, dtype=bool))


@pytest.mark.parametrize("dtype", ["i8", "u1", "f4", "O"])
def test_a_mask_that_is_not_boolean_is_refused(dtype):
    """Integers are ids, which are distinct, so that zeros and ones in place of a mask are told from them."""
    mask = (np.arange(83) % 2).astype(dtype)
    with pytest.raises((TypeError, ValueError), match="allowed"):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, 1, allowed=mask)


def test_integers_are_ids_and_neither_positions_nor_a_mask():
    index = lk.CosineIndex.from_codes(CODES, ids=np.arange(83)[::-1])
    allowed = np.zeros(83, np.bool_)
    allowed[[82, 80]] = True
    expected = reference.search(CODES, QUERIES, 2, ids=index.ids, allowed=allowed)
    assert_same_bytes(index.search(QUERIES, 2, allowed=[0, 2], scores64=True), expected)
    with pytest.raises(ValueError, match="id 83 in allowed is not in the index"):
        index.search(QUERIES, 1, allowed=np.arange(84))


def test_masks_of_any_layout_are_read():
    allowed = np.zeros(166, dtype=bool)
    allowed[::4] = True
    index = lk.CosineIndex.from_codes(CODES)
    expected = reference.search(CODES, QUERIES, 5, allowed=allowed[::2])
    assert_same_bytes(index.search(QUERIES, 5, allowed=allowed[::2], scores64=True), expected)
    assert_same_bytes(index.search(QUERIES, 5, allowed=allowed[::2].tolist(), scores64=True), expected)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_out_of_range_are_refused(threads):
    with pytest.raises(ValueError, match="threads"):
        lk.CosineIndex(3, threads=threads)


@pytest.mark.parametrize("option", ["engine", "strategy"])
def test_an_unknown_engine_or_strategy_is_refused(option):
    with pytest.raises(ValueError, match="no such thing"):
        lk.CosineIndex(3, **{option: "no such thing"})
