"""Which inputs are accepted and rounded once, and which are refused with the index unchanged."""

from __future__ import annotations

from fractions import Fraction

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
    """Aligned to its type but to no vector."""
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
def test_layouts(layout, dtype):
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
def test_types(dtype):
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
    """Rounded to float64 first, each would end exactly between two float32, and then on the lower one."""
    codes = np.array([[number, 0.5]], dtype=object)
    exponent = int(number).bit_length() - 1
    assert lk.CosineIndex.from_codes(codes).codes[0, 0] == 2.0**exponent * (1 + 2.0**-23)


def test_objects_beyond_float64():
    codes = np.array([[1, 2], [10**400, 1]], dtype=object)
    assert_first_bad_row(1, codes)


def test_missing_objects():
    assert_first_bad_row(1, np.array([[1, 2], [None, 1]], dtype=object))


def assert_first_bad_row(row, codes):
    with pytest.raises(ValueError, match=rf"\brow {row}\b"):
        lk.CosineIndex.from_codes(codes)


def test_lists():
    assert lk.cosine_search([[1, 0], [0, 1]], [[0.0, 2.0]], 1).ids.tolist() == [[1]]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_large_integers_are_rounded_once(dtype):
    """Rounded to float64 first, the outer two would end between two float32, and then on the other one."""
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
    """Every finite 16-bit value arrives as itself, denormals included."""
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


# Refusals


def assert_unchanged(index):
    assert len(index) == 83
    assert index.ids.tolist() == list(range(83))
    assert_same_bytes(index.search(QUERIES, 5, scores64=True), reference.search(CODES, QUERIES, 5))


def assert_refused(error, message, codes, **columns):
    """`add`, `from_codes` and `search` refuse the codes, and the index stays as it was."""
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
def test_not_finite(dtype, value, column):
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
def test_becomes_infinite(value):
    codes = np.ones((9, 13)).astype(object if isinstance(value, int) else np.float64)
    codes[4, 3] = value
    assert_refused(ValueError, r"\brow 4\b", codes)


def test_largest_float64_that_rounds_to_a_float32_is_accepted():
    below = np.nextafter(float(np.finfo(np.float32).max) + 2.0**103, 0)
    assert lk.CosineIndex.from_codes([[below]]).codes[0, 0] == np.finfo(np.float32).max
    with pytest.raises(ValueError, match=r"\brow 0\b"):
        lk.CosineIndex.from_codes([[np.nextafter(below, np.inf)]])


def test_non_zero_row_that_becomes_zero():
    codes = np.ones((9, 13))
    codes[2] = 0  # a zero row that was one is fine
    codes[5] = 1e-60
    assert_refused(ValueError, r"\brow 5\b", codes)
    codes[5, 12] = 1.0
    assert len(lk.CosineIndex.from_codes(codes)) == 9


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, "U4", "S4", "datetime64[s]"])
def test_types_that_are_no_numbers(dtype):
    assert_refused(TypeError, "number", np.ones((3, 13), dtype=np.int64).astype(dtype))


@pytest.mark.parametrize("value", ["text", 1j, {}])
def test_objects_that_are_no_numbers(value):
    codes = np.ones((3, 13), dtype=object)
    codes[1, 2] = value
    assert_refused(TypeError, "number", codes)


@pytest.mark.parametrize("shape", [(13,), (), (2, 3, 13), (3, 12), (3, 14), (3, 0)])
def test_wrong_shapes(shape):
    index = lk.CosineIndex.from_codes(CODES)
    message = "reshape" if shape == (13,) else r"shape|dim"
    with pytest.raises(ValueError, match=message):
        index.add(np.ones(shape))
    with pytest.raises(ValueError, match=message):
        index.search(np.ones(shape), 1)
    assert_unchanged(index)


def test_ragged_lists():
    with pytest.raises((ValueError, TypeError)):
        lk.CosineIndex.from_codes([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("dim", [0, -1])
def test_dimension_below_one(dim):
    with pytest.raises(ValueError, match="dim"):
        lk.CosineIndex(dim)


def test_codes_without_columns():
    with pytest.raises(ValueError, match=r"shape|dim"):
        lk.CosineIndex.from_codes(np.ones((3, 0)))


@pytest.mark.parametrize("k", [0, -1, 84, 2**40])
def test_k_out_of_range(k):
    index = lk.CosineIndex.from_codes(CODES)
    with pytest.raises(ValueError, match=rf"\bk\b.*{k}|{k}.*\bk\b"):
        index.search(QUERIES, k)
    assert_unchanged(index)


@pytest.mark.parametrize("k", [0, 83])
def test_k_out_of_range_without_self(k):
    index = lk.CosineIndex.from_codes(CODES)
    index.search_self(82)
    with pytest.raises(ValueError, match=r"\bk\b"):
        index.search_self(k)


@pytest.mark.parametrize("k", [1.5, "3", None])
def test_k_that_is_no_integer(k):
    with pytest.raises(TypeError):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, k)


def test_k_of_numpy_type():
    assert lk.CosineIndex.from_codes(CODES).search(QUERIES, np.int64(3)).ids.shape == (29, 3)


def test_fewer_allowed_than_k():
    index = lk.CosineIndex.from_codes(CODES)
    allowed = np.zeros(83, dtype=bool)
    allowed[:4] = True
    index.search(QUERIES, 4, allowed=allowed)
    with pytest.raises(ValueError, match=r"(?s)(5.*4|4.*5)"):
        index.search(QUERIES, 5, allowed=allowed)
    with pytest.raises(ValueError, match="allowed"):
        index.search(QUERIES, 1, allowed=np.zeros(83, dtype=bool))


@pytest.mark.parametrize("shape", [(82,), (84,), (83, 1), ()])
def test_mask_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match="allowed"):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, 1, allowed=np.ones(shape, dtype=bool))


def test_mask_that_is_not_boolean():
    """Positions passed for a mask would otherwise allow nearly every row in silence."""
    with pytest.raises((TypeError, ValueError), match="allowed"):
        lk.CosineIndex.from_codes(CODES).search(QUERIES, 1, allowed=np.arange(83))


def test_mask_layouts():
    allowed = np.zeros(166, dtype=bool)
    allowed[::4] = True
    index = lk.CosineIndex.from_codes(CODES)
    expected = reference.search(CODES, QUERIES, 5, allowed=allowed[::2])
    assert_same_bytes(index.search(QUERIES, 5, allowed=allowed[::2], scores64=True), expected)
    assert_same_bytes(index.search(QUERIES, 5, allowed=allowed[::2].tolist(), scores64=True), expected)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_out_of_range(threads):
    with pytest.raises(ValueError, match="threads"):
        lk.CosineIndex(3, threads=threads)


@pytest.mark.parametrize("option", ["engine", "strategy"])
def test_unknown_engine_or_strategy(option):
    with pytest.raises(ValueError, match="no such thing"):
        lk.CosineIndex(3, **{option: "no such thing"})
