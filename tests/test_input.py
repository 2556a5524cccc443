"""Accepted inputs, each of which is rounded once."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes

CODES, QUERIES = cases.build("mixture", 0, 83, 29, 13)


def check_both_sides(codes, queries, rounded_codes, rounded_queries):
    expected = reference.search(rounded_codes, rounded_queries, 5)
    index = lk.CosineIndex.from_codes(codes)
    assert index.codes.tobytes() == rounded_codes.tobytes()
    assert_same_bytes(index.search(queries, 5, scores64=True), expected)


# Layouts


def misaligned(array):
    buffer = np.zeros(array.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def every_third_value(array):
    wide = np.full((array.shape[0] * 2, array.shape[1] * 3), 7, dtype=array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


def off_by_one_float(array):
    """Return an array that is aligned to its type, but not to a vector."""
    buffer = np.zeros(array.size + 1, dtype=array.dtype)
    buffer[1:] = array.ravel()
    return buffer[1:].reshape(array.shape)


LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "misaligned": misaligned,
    "off by one value": off_by_one_float,
    "rows reversed": lambda array: np.ascontiguousarray(array[::-1])[::-1],
    "all reversed": lambda array: np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    "every third value": every_third_value,
    "read-only": read_only,
    "byte-swapped": lambda array: array.astype(array.dtype.newbyteorder()),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_layout_are_read(layout, dtype):
    rng = np.random.default_rng(0)
    codes, queries = (rng.normal(0, 20, (rows, 13)).astype(dtype) for rows in (83, 29))
    arranged_codes, arranged_queries = LAYOUTS[layout](codes), LAYOUTS[layout](queries)
    assert np.array_equal(arranged_codes, codes)
    check_both_sides(arranged_codes, arranged_queries, reference.rounded(codes), reference.rounded(queries))


def test_broadcast_rows():
    codes = np.broadcast_to(np.float32([1, 2, 3]), (20, 3))
    check_both_sides(codes, codes, reference.rounded(codes), reference.rounded(codes))


# Types


@pytest.mark.parametrize(
    "dtype",
    [
        *(np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64),
        *(np.float16, ml_dtypes.bfloat16, np.float32, np.float64),
    ],
)
def test_numbers_of_any_type_are_read(dtype):
    rng = np.random.default_rng(1)
    low = 0 if np.dtype(dtype).kind in "bu" else -100
    codes, queries = (rng.integers(low, 100, (rows, 13)).astype(dtype) for rows in (83, 29))
    check_both_sides(codes, queries, codes.astype(np.float32), queries.astype(np.float32))


def test_object_arrays():
    codes = np.array([[1, 2.5, True], [np.float32(0.1), 3, Fraction(1, 3)], [0, -(2**70), 1]], dtype=object)
    rounded = np.float32([[1, 2.5, 1], [0.1, 3, 1 / 3], [0, -(2.0**70), 1]])
    expected = reference.search(rounded, rounded, 3)
    assert_same_bytes(lk.CosineIndex.from_codes(codes).search(codes, 3, scores64=True), expected)


@pytest.mark.parametrize("number", [2**60 + 2**36 + 1, Fraction(2**60 + 2**36 + 1), 2**100 + 2**76 + 1])
def test_objects_are_rounded_once(number):
    """Rounding to float64 first would give a tie of two float32, and then the lower one."""
    codes = np.array([[number, 0.5]], dtype=object)
    exponent = int(number).bit_length() - 1
    assert lk.CosineIndex.from_codes(codes).codes[0, 0] == 2.0**exponent * (1 + 2.0**-23)


def test_objects_beyond_float64_are_refused():
    codes = np.array([[1, 2], [10**400, 1]], dtype=object)
    assert_first_bad_row(1, codes)


def test_missing_objects_are_refused():
    assert_first_bad_row(1, np.array([[1, 2], [None, 1]], dtype=object))


def assert_first_bad_row(row, codes):
    with pytest.raises(ValueError, match=rf"\brow {row}\b"):
        lk.CosineIndex.from_codes(codes)


def test_lists_are_read():
    assert lk.cosine_search([[1, 0], [0, 1]], [[0.0, 2.0]], 1).ids.tolist() == [[1]]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_large_integers_are_rounded_once(dtype):
    """Rounding to float64 first would make the outer two ties of two float32, and then the wrong one."""
    values = np.array([[2**60 + 2**36 + 1, 2**24 + 1, 2**24 + 3, 2**62 + 3 * 2**38 - 1]], dtype=dtype)
    rounded = lk.CosineIndex.from_codes(values).codes
    assert rounded.tolist() == [[2.0**60 + 2.0**37, 2.0**24, 2.0**24 + 4, 2.0**62 + 2.0**39]]


@pytest.mark.parametrize(
    "value",
    [1 + 2**-24, 1 + 2**-24 + 2**-50, 1 + 3 * 2**-24, 2**-150 * (1 + 2**-50), 1e-45, 1e-40, 3.4028235e38],
)
def test_float64_is_rounded_once(value):
    row = np.array([[1.0, value]])
    assert lk.CosineIndex.from_codes(row).codes.tobytes() == row.astype(np.float32).tobytes()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_half_precision_value(dtype):
    """No finite 16-bit value is changed, denormals included."""
    values = np.arange(2**16, dtype=np.uint16).view(dtype)
    values = values[np.isfinite(values.astype(np.float32))][:, None]
    assert lk.CosineIndex.from_codes(values).codes.tobytes() == values.astype(np.float32).tobytes()


# Other array libraries


class OnlyArray:
    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype)


class OnlyDLPack:
    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [OnlyArray, OnlyDLPack, memoryview])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_array_protocols(wrap, dtype):
    check_both_sides(wrap(CODES.astype(dtype)), wrap(QUERIES.astype(dtype)), CODES, QUERIES)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_tensorflow_tensors(dtype):
    import tensorflow as tf

    rng = np.random.default_rng(2)
    codes, queries = (tf.cast(rng.normal(0, 20, (rows, 13)), dtype) for rows in (83, 29))
    check_both_sides(codes, queries, codes.numpy().astype(np.float32), queries.numpy().astype(np.float32))


def test_tensorflow_variable():
    import tensorflow as tf

    check_both_sides(tf.Variable(CODES), tf.Variable(QUERIES), CODES, QUERIES)


# Ownership


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_callers_may_change_their_arrays_afterwards(dtype):
    codes, ids = CODES.astype(dtype), np.arange(83)
    labels = np.arange(83) % 3
    index = lk.CosineIndex.from_codes(codes, labels, ids)
    codes[...], ids[...], labels[...] = 7, 7, 7
    assert_same_bytes(index.search(QUERIES, 5, scores64=True), reference.search(CODES, QUERIES, 5))
    assert index.labels.tolist() == (np.arange(83) % 3).tolist()


def test_callers_may_change_what_they_are_given():
    index = lk.CosineIndex.from_codes(CODES, np.arange(83) % 3)
    for array in (index.codes, index.ids, index.labels, index.classes):
        if array.flags.writeable:
            array[...] = 7
    assert_same_bytes(index.search(QUERIES, 5, scores64=True), reference.search(CODES, QUERIES, 5))
    assert index.labels.tolist() == (np.arange(83) % 3).tolist()
    assert index.classes.tolist() == [0, 1, 2]


def test_queries_are_left_as_they_were():
    queries = QUERIES.copy()
    lk.CosineIndex.from_codes(CODES).search(queries, 5)
    assert queries.tobytes() == QUERIES.tobytes()


# Empty batches


def test_no_queries():
    result = lk.CosineIndex.from_codes(CODES).search(np.empty((0, 13)), 5, scores64=True)
    assert_same_bytes(result, reference.search(CODES, np.empty((0, 13)), 5))
    assert result.similarities.shape == result.ids.shape == (0, 5)


def test_no_codes_added():
    index = lk.CosineIndex(13)
    index.add(np.empty((0, 13)))
    assert len(index) == 0
    assert index.codes.shape == (0, 13)
    with pytest.raises(ValueError, match="k"):
        index.search(QUERIES, 1)
    index.add(CODES)
    assert_same_bytes(index.search(QUERIES, 5, scores64=True), reference.search(CODES, QUERIES, 5))
