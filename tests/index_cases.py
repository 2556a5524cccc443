"""The codes and labels of a small index, and a comparison of two indexes."""

from __future__ import annotations

import numpy as np

CODES = np.float32([[1, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 0], [0, 1, 1]])
LABELS = np.array(["shoe", "bag", "shoe", "coat", "bag"])


def assert_same_index(index, other):
    assert len(index) == len(other)
    assert index.dim == other.dim
    assert index.codes.tobytes() == other.codes.tobytes()
    assert index.ids.tobytes() == other.ids.tobytes()
    if other.labels is None:
        assert index.labels is None
    else:
        assert index.labels.dtype == other.labels.dtype
        assert index.labels.tolist() == other.labels.tolist()
