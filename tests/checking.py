"""Comparison of search results."""

from __future__ import annotations

import numpy as np

import latentknn as lk
from reference import Answer

ARRAYS = ("ids", "positions", "scores64", "similarities")


def assert_same_bytes(result: lk.SearchResult, expected: Answer) -> None:
    """Assert that every array of the result has the dtype, the shape and the bytes of the reference."""
    for name in ARRAYS:
        got, wanted = getattr(result, name), getattr(expected, name)
        assert got is not None, f"{name} is missing"
        assert got.dtype == wanted.dtype, f"{name} is {got.dtype}, expected {wanted.dtype}"
        assert got.shape == wanted.shape, f"{name} has shape {got.shape}, expected {wanted.shape}"
        if got.tobytes() == wanted.tobytes():
            continue
        bits = np.dtype(f"u{got.itemsize}")
        differs = got.view(bits) != wanted.view(bits)
        query = int(np.flatnonzero(differs.any(axis=1))[0])
        raise AssertionError(
            f"{name} differs for {int(differs.any(axis=1).sum())} of {len(differs)} queries, "
            f"first for query {query}:\n     got {got[query]!r}\nexpected {wanted[query]!r}"
        )


def assert_same_results(first: lk.SearchResult, second: lk.SearchResult) -> None:
    """Assert that two results agree in the bytes of every array."""
    assert_same_bytes(first, Answer(**{name: getattr(second, name) for name in ARRAYS}))
