"""Codes for comparing engines. Their lengths vary, and no two are nearly alike."""

from __future__ import annotations

import numpy as np

DIM, CODES, QUERIES = 16, 1500, 40


def build_problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes, their labels and queries."""
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((CODES, DIM)) * rng.uniform(0.1, 9, (CODES, 1))
    return codes.astype(np.float32), rng.integers(0, 4, CODES), rng.standard_normal((QUERIES, DIM))
