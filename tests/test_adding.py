"""What a row costs that is added to many: as much as one that is added to few."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import latentknn as lk

pytest.importorskip("pyarrow")

ADDED = 60


def allocated_by_each_add(count):
    """Return the bytes that each `add` of one row to `count` allocated, with all that a row can have."""
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((count, 4), dtype=np.float32)
    labels = rng.choice(["cat", "dog"], count)
    index = lk.CosineIndex.from_codes(
        codes,
        labels,
        rng.permutation(10 * count)[:count],
        metadata={"number": np.arange(count)},
        engine="cpu",
    )
    index.remove(index.ids[:2])
    peaks = []
    for number in range(ADDED):
        tracemalloc.start()
        index.add(codes[:1], labels[:1], [-1 - number], metadata={"number": [number]})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert index.ids[-1] == -ADDED
    return peaks


def test_a_row_added_to_many_allocates_as_much_as_one_added_to_few():
    few, many = allocated_by_each_add(2_000), allocated_by_each_add(200_000)
    # The first one makes room for those behind it, and copies what is there.
    assert max(many[1:]) <= max(few[1:]) + 4096
    assert np.median(many) <= np.median(few) + 1024
