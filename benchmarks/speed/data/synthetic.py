"""Made-up rows of any number, normalised: clusters, noise, and rows that make screening useless.

Each function takes the numbers of database rows, of queries and of dimensions; the seed is always 0.
"""

import numpy as np

from benchmarks.harness.arrays import Codes, normalised

CENTRES = 1000
# A cluster has this spread in each dimension, where centres have one of 1: cosines inside are about 0.8.
SPREAD = 0.5
# So many rows are made at once, so that no second copy of a large database is needed.
_BLOCK = 65_536


def clusters(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw from a Gaussian mixture with 1,000 random centres."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CENTRES, dim), dtype=np.float32)
    return _around(centres, SPREAD, rows, generator), _around(centres, SPREAD, queries, generator)


def noise(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw isotropic Gaussian rows: no structure that a screen could use."""
    generator = np.random.default_rng(0)
    nowhere = np.zeros((1, dim), dtype=np.float32)
    return _around(nowhere, 1.0, rows, generator), _around(nowhere, 1.0, queries, generator)


def equal_rows(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Repeat one row: all neighbours are tied."""
    generator = np.random.default_rng(0)
    row = normalised(generator.standard_normal((1, dim), dtype=np.float32))
    return np.repeat(row, rows, axis=0), normalised(generator.standard_normal((queries, dim)))


def two_clusters(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw two clusters so tight that similarities within one differ by about 1e-6."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((2, dim), dtype=np.float32)
    return _around(centres, 1e-3, rows, generator), _around(centres, 1e-3, queries, generator)


def duplicates(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Repeat 100 distinct rows many times, in random order."""
    generator = np.random.default_rng(0)
    distinct = normalised(generator.standard_normal((100, dim), dtype=np.float32))
    return distinct[generator.integers(100, size=rows)], normalised(generator.standard_normal((queries, dim)))


def _around(centres: Codes, spread: float, count: int, generator: np.random.Generator) -> Codes:
    made = np.empty((count, centres.shape[1]), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        block = made[start : start + _BLOCK]
        offsets = generator.standard_normal(block.shape, dtype=np.float32) * np.float32(spread)
        block[:] = normalised(centres[generator.integers(len(centres), size=len(block))] + offsets)
    return made
