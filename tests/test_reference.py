"""Comparison of the reference with scalar Python, exact rationals and values computed by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import reference


def scalar_dot(a, b):
    partial = [0.0] * 8
    for j, (x, y) in enumerate(zip(a, b, strict=True)):
        partial[j % 8] += x * y
    for width in (4, 2, 1):
        for lane in range(width):
            partial[lane] += partial[lane + width]
    return partial[0]


def scalar_score(query, code):
    squared_norms = scalar_dot(query, query) * scalar_dot(code, code)
    if squared_norms == 0.0:
        return 0.0
    return max(-1.0, min(1.0, scalar_dot(query, code) / math.sqrt(squared_norms)))


def scalar_search(codes, queries, k, ids, allowed):
    positions, chosen = [], []
    for query in queries:
        ranked = sorted(
            (-scalar_score(query, code), ids[position], position)
            for position, code in enumerate(codes)
            if allowed[position]
        )[:k]
        positions.append([position for _, _, position in ranked])
        chosen.append([-negated for negated, _, _ in ranked])
    return positions, chosen


def row(*values, width=16):
    """Return a code with the given {index: value} pairs or leading values, and zeros elsewhere."""
    code = np.zeros((1, width), dtype=np.float32)
    if len(values) == 1 and isinstance(values[0], dict):
        for index, value in values[0].items():
            code[0, index] = value
    else:
        code[0, : len(values)] = values
    return code


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 9, 16, 31, 100])
def test_agrees_with_scalar_python(dim):
    rng = np.random.default_rng(dim)
    codes = rng.standard_normal((23, dim)).astype(np.float32)
    codes[rng.integers(23, size=4)] = codes[0]
    codes[5] = 0
    codes[6] *= np.float32(1e-30)
    queries = np.concatenate([codes[::5], rng.standard_normal((4, dim)).astype(np.float32)])
    ids = rng.permutation(np.arange(-10, 13))
    allowed = rng.random(23) < 0.7
    k = int(allowed.sum())

    answer = reference.search(codes, queries, k, ids=ids, allowed=allowed)

    positions, chosen = scalar_search(codes.tolist(), queries.tolist(), k, ids.tolist(), allowed.tolist())
    assert answer.positions.tolist() == positions
    assert answer.scores64.tolist() == chosen
    assert answer.ids.tolist() == [[ids[position] for position in line] for line in positions]


@pytest.mark.parametrize("dim", [1, 5, 8, 64, 333])
def test_dot_is_close_to_the_exact_sum(dim):
    rng = np.random.default_rng(dim)
    a, b = rng.standard_normal((2, dim)).astype(np.float32)
    exact = sum(Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    magnitude = sum(abs(Fraction(x) * Fraction(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True))
    additions = -(-dim // 8) + 3
    assert abs(Fraction(float(reference.dot(a, b))) - exact) <= additions * Fraction(1, 2**53) * magnitude


@pytest.mark.parametrize(
    ("places_of_ones", "total"),
    [
        pytest.param((8, 16), 2.0**53, id="in the same sum, one after the other"),
        pytest.param((1, 9), 2.0**53 + 2, id="together in another sum"),
        pytest.param((4, 12), 2.0**53 + 2, id="together in the sum four further"),
        pytest.param((1, 3), 2.0**53 + 2, id="joined at width 2 before they meet the large one"),
        pytest.param((3, 7), 2.0**53 + 2, id="joined at width 4 before they meet the large one"),
        pytest.param((1, 2), 2.0**53, id="meeting the large one apart, at widths 2 and 1"),
        pytest.param((4, 2), 2.0**53, id="meeting the large one apart, at widths 4 and 2"),
    ],
)
def test_order_of_additions(places_of_ones, total):
    """2^53 + 1 rounds to 2^53, but 2^53 + 2 does not: the total shows which terms were added first."""
    a, b = row({0: 2.0**27}, width=24), row({0: 2.0**26}, width=24)
    for place in places_of_ones:
        a[0, place] = b[0, place] = 1.0
    assert reference.dot(a, b)[0] == total


def test_hand_computed_similarities():
    codes = np.concatenate([row(4, 3), row(-3, -4), row(0, 5), row(), row(3, 4)])
    assert reference.scores(codes, row(3, 4)).tolist() == [[0.96, -1.0, 0.8, 0.0, 1.0]]
    assert reference.scores(codes, row()).tolist() == [[0.0] * 5]


def test_similarity_to_itself_is_exactly_one():
    rng = np.random.default_rng(0)
    codes = (rng.standard_normal((500, 17)) * 10.0 ** rng.uniform(-30, 30, (500, 1))).astype(np.float32)
    assert (np.diag(reference.scores(codes, codes)) == 1.0).all()


def test_similarities_are_clipped():
    """Without clipping, some parallel rows exceed 1, as products and norms are rounded separately."""
    rng = np.random.default_rng(1)
    codes = rng.standard_normal((2000, 3)).astype(np.float32)
    queries = codes * np.float32(3)
    products = reference.dot(codes, queries)
    norms = np.sqrt(reference.dot(codes, codes) * reference.dot(queries, queries))
    assert (products / norms).max() > 1.0
    assert reference.scores(codes, queries).max() == 1.0
    assert reference.scores(codes, -queries).min() == -1.0


def test_extreme_norms_neither_overflow_nor_vanish():
    largest, smallest = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    codes = np.full((2, 2000), [[largest], [smallest]], dtype=np.float32)
    assert reference.scores(codes, codes).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_ties_go_to_the_smaller_id():
    codes = np.concatenate([row(1), row(2), row(1, 1), row(3)])
    answer = reference.search(codes, row(1), 4, ids=[7, -(2**63), 0, 2**63 - 1])
    assert answer.ids.tolist() == [[-(2**63), 7, 2**63 - 1, 0]]
    assert answer.positions.tolist() == [[1, 0, 3, 2]]


def test_negative_zero_is_written_as_positive_zero():
    """A score too small for float32 becomes -0 there; the ordering key keeps its value."""
    answer = reference.search(row(0, -1), row(1e30, 1e-30), 1)
    assert -1e-59 < answer.scores64[0, 0] < -1e-61
    assert answer.similarities.tobytes() == np.zeros((1, 1), np.float32).tobytes()


def test_order_follows_float64_where_float32_ties():
    codes = np.concatenate([row(1, 3e-5), row(1, 2e-5), row(1, 1e-5)])
    answer = reference.search(codes, row(1), 3)
    assert answer.similarities.tolist() == [[1.0, 1.0, 1.0]]
    assert answer.ids.tolist() == [[2, 1, 0]]


def test_rounded_rounds_once():
    assert reference.rounded([1.0 + 2.0**-24, 1.0 + 2.0**-24 + 2.0**-50]).tolist() == [1.0, 1.0 + 2.0**-23]


def test_self_is_left_out_by_position():
    codes = np.concatenate([row(1), row(2), row(0, 1)])
    answer = reference.search_self(codes, 2, ids=[5, 3, 4])
    assert answer.ids.tolist() == [[3, 4], [5, 4], [3, 5]]
    assert answer.scores64.tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]


def test_per_class():
    codes = np.concatenate([row(1), row(0, 1), row(2), row(1, 1)])
    labels = np.array(["b", "a", "b", "a"])
    answer = reference.search_per_class(codes, labels, row(1), 1)
    assert answer.ids.tolist() == [[[3]], [[0]]]
    own_encodings = np.stack([row(0, 3), row(1)])
    assert reference.search_per_class(codes, labels, own_encodings, 1).ids.tolist() == [[[1]], [[0]]]
