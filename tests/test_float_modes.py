"""The floating-point mode of the caller changes no answer, and a search leaves it as it was."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes
from float_mode import ROUNDING, control_bits, float_mode
from new_interpreter import run_script

MODES = [(rounding, flush) for rounding in ROUNDING for flush in (False, True)][1:]
"""All roundings and treatments of denormals except the usual ones, which come first."""


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
@pytest.mark.parametrize("kind", ["denormals", "values_of_any_size", "too_small_for_float32", "tight_cone"])
def test_the_float_mode_of_the_caller_changes_no_answer(isa, strategy, kind, rounding, flush_denormals):
    codes, queries = cases.build(kind, 0, 211, 67, 21)
    expected = reference.search(codes, queries, 10)
    itself = reference.search_self(codes, 3)
    with float_mode(rounding, flush_denormals=flush_denormals):
        mode = control_bits()
        index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
        after_building = control_bits()
        result = index.search(queries, 10, scores64=True)
        after_searching = control_bits()
        neighbours = index.search_self(3, scores64=True)
        after_self = control_bits()
    assert mode == after_building == after_searching == after_self
    assert_same_bytes(result, expected)
    assert_same_bytes(neighbours, itself)
    assert index.codes.tobytes() == codes.tobytes()


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64", "object"])
def test_float_mode_while_input_is_rounded(dtype, rounding, flush_denormals):
    rng = np.random.default_rng(0)
    if dtype in ("float16", "bfloat16"):
        # These bits are denormals and other numbers, but never infinity.
        bits = rng.integers(0, 0x7800, (50, 9)).astype(np.uint16)
        bits[:25] %= 0x80
        values = bits.view(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    elif dtype == "int64":
        values = rng.integers(-(2**62), 2**62, (50, 9))
    else:
        values = (rng.standard_normal((50, 9)) * 10.0 ** rng.uniform(-44, 30, (50, 9))).astype(dtype)
    rounded = values.astype(np.float32)
    expected = reference.search(rounded, rounded, 5)
    with float_mode(rounding, flush_denormals=flush_denormals):
        index = lk.CosineIndex.from_codes(values)
        result = index.search(values, 5, scores64=True)
    assert index.codes.tobytes() == rounded.tobytes()
    assert_same_bytes(result, expected)


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
def test_float_mode_while_rows_of_denormals_are_checked(rounding, flush_denormals):
    """Rows that only a changed mode would round to zero or to infinity are not refused."""
    values = np.full((9, 3), 1e-40)
    values[4:] = float(np.finfo(np.float32).max) + 2.0**102
    expected = reference.search(values, values, 5)
    with float_mode(rounding, flush_denormals=flush_denormals):
        result = lk.CosineIndex.from_codes(values).search(values, 5, scores64=True)
    assert_same_bytes(result, expected)


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
def test_float_mode_while_answers_of_several_threads_are_joined(strategy, rounding, flush_denormals):
    """Threads divide the codes if queries are few, and similarities are rounded after joining."""
    codes, _ = cases.build("too_small_for_float32", 1, 20_000, 0, 9)
    queries = np.zeros((2, 9), dtype=np.float32)
    queries[:, 0], queries[:, 1:] = 1e30, [[1e-12], [1e-14]]
    codes[:, 0] = 0
    expected = reference.search(codes, queries, 10)
    assert 0 < expected.similarities[0, 0] < np.finfo(np.float32).tiny
    with float_mode(rounding, flush_denormals=flush_denormals):
        result = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=4).search(
            queries, 10, scores64=True
        )
    assert_same_bytes(result, expected)


def test_float_mode_survives_an_error():
    index = lk.CosineIndex.from_codes(np.ones((3, 2)))
    with float_mode("upward", flush_denormals=True):
        mode = control_bits()
        try:
            index.add([[np.nan, 1.0]])
        except ValueError:
            after = control_bits()
    assert mode == after


def test_threads_started_under_a_float_mode():
    """Threads inherit the mode of the thread that starts them, and a process starts the pool only once."""
    script = """
        import numpy as np
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes
        from float_mode import float_mode

        codes, queries = cases.build("denormals", 0, 3000, 500, 21)
        expected = reference.search(codes, queries, 10)
        with float_mode("upward", flush_denormals=True):
            result = lk.CosineIndex.from_codes(codes, threads=4).search(queries, 10, scores64=True)
        assert_same_bytes(result, expected)
    """
    run_script(script)
