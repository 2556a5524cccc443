"""Rows and queries that nobody chose for the search: kinds of data that put one screen or another at a loss.

Each function takes the numbers of database rows, of queries and of dimensions, and returns both normalised;
the seed is always 0. What loses somewhere is added here for good.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.arrays import Codes, normalised

Generator = np.random.Generator
Drawn = NDArray[np.floating]
Maker = Callable[[int, int, int], tuple[Codes, Codes]]


def clusters(of: int, rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw from as many clusters as `of` rows each make; cosines inside of about 0.8."""
    generator = np.random.default_rng(0)
    centres = _normal(generator, max(1, rows // of), dim)
    return _around(centres, rows, generator), _around(centres, queries, generator)


def sorted_clusters(of: int, rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw such clusters, one after the other."""
    generator = np.random.default_rng(0)
    centres = _normal(generator, max(1, rows // of), dim)
    classes = np.sort(generator.integers(len(centres), size=rows))
    database = normalised(centres[classes] + 0.5 * _normal(generator, rows, dim))
    return database, _around(centres, queries, generator)


def strangers(of: int, rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw rows from clusters and queries from nowhere, as "is this unknown?" asks."""
    generator = np.random.default_rng(0)
    centres = _normal(generator, max(1, rows // of), dim)
    return _around(centres, rows, generator), normalised(_normal(generator, queries, dim))


def power_law(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw clusters whose sizes fall with their rank, as classes do in the wild."""
    generator = np.random.default_rng(0)
    centres = _normal(generator, 1000, dim)
    shares = 1 / np.arange(1, 1001)
    shares /= shares.sum()
    return tuple(  # type: ignore[return-value]
        normalised(centres[generator.choice(1000, count, p=shares)] + 0.5 * _normal(generator, count, dim))
        for count in (rows, queries)
    )


def hierarchy(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw ten classes of twenty kinds each."""
    generator = np.random.default_rng(0)
    kinds = np.repeat(_normal(generator, 10, dim), 20, axis=0) + 0.6 * _normal(generator, 200, dim)
    return tuple(  # type: ignore[return-value]
        normalised(kinds[generator.integers(200, size=count)] + 0.3 * _normal(generator, count, dim))
        for count in (rows, queries)
    )


def low_dimension(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw from eight dimensions, and a tenth of noise in all others."""
    generator = np.random.default_rng(0)
    plane = np.linalg.qr(generator.standard_normal((dim, 8)))[0].T
    return tuple(  # type: ignore[return-value]
        normalised(generator.standard_normal((count, 8)) @ plane + 0.1 * _normal(generator, count, dim))
        for count in (rows, queries)
    )


def cone(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw around one direction: all cosines are about 0.98."""
    generator = np.random.default_rng(0)
    axis = 8 * _normal(generator, 1, dim)
    database = normalised(axis + _normal(generator, rows, dim))
    return database, normalised(axis + _normal(generator, queries, dim))


def collapsed(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw ten points, nearly, as encoders make them that separate their classes well."""
    generator = np.random.default_rng(0)
    points = 10 * normalised(_normal(generator, 10, dim))
    return tuple(  # type: ignore[return-value]
        normalised(points[generator.integers(10, size=count)] + 0.02 * _normal(generator, count, dim))
        for count in (rows, queries)
    )


def heavy_tails(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw components of which a few are far larger than all others."""
    generator = np.random.default_rng(0)
    database = normalised(generator.standard_t(2, (rows, dim)))
    return database, normalised(generator.standard_t(2, (queries, dim)))


def binary(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw ones with a tenth's chance: cosines of many ties."""
    generator = np.random.default_rng(0)
    return tuple(  # type: ignore[return-value]
        normalised((generator.random((count, dim)) < 0.1).astype(np.float32)) for count in (rows, queries)
    )


def one_hot(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw eight columns of categories, each one-hot."""
    generator = np.random.default_rng(0)
    made = []
    for count in (rows, queries):
        codes = np.zeros((count, dim), np.float32)
        for column in range(8):
            codes[np.arange(count), column * dim // 8 + generator.integers(dim // 8, size=count)] = 1
        made.append(normalised(codes))
    return made[0], made[1]


def counts(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw counts of words, whose frequencies fall with their rank."""
    generator = np.random.default_rng(0)
    rates = 20 / np.arange(1, dim + 1)
    return tuple(  # type: ignore[return-value]
        normalised(generator.poisson(rates * generator.gamma(0.5, 2.0, (count, dim))).astype(np.float32))
        for count in (rows, queries)
    )


def hubs(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw noise and, of a hundred rows one, a row near the middle of all: everybody's neighbour."""
    generator = np.random.default_rng(0)
    axis = _normal(generator, 1, dim)
    lean = np.where(generator.random((rows, 1)) < 0.01, 3.0, 0.3)
    return (
        normalised(lean * axis + _normal(generator, rows, dim)),
        normalised(0.3 * axis + _normal(generator, queries, dim)),
    )


def noise(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Draw isotropic rows: no structure that a screen could use."""
    generator = np.random.default_rng(0)
    return normalised(_normal(generator, rows, dim)), normalised(_normal(generator, queries, dim))


def _normal(generator: Generator, rows: int, dim: int) -> Codes:
    return generator.standard_normal((rows, dim), dtype=np.float32)


def _around(centres: Codes, count: int, generator: Generator) -> Codes:
    chosen = centres[generator.integers(len(centres), size=count)]
    return normalised(chosen + np.float32(0.5) * _normal(generator, count, centres.shape[1]))


KINDS: dict[str, tuple[int, Maker]] = {
    "clusters of 60 rows": (128, partial(clusters, 60)),
    "clusters of 300 rows": (128, partial(clusters, 300)),
    "clusters of 3,000 rows": (128, partial(clusters, 3000)),
    "clusters of 300, sorted": (128, partial(sorted_clusters, 300)),
    "queries from elsewhere": (128, partial(strangers, 200)),
    "power-law clusters": (128, power_law),
    "hierarchical clusters": (128, hierarchy),
    "8 dimensions and noise": (128, low_dimension),
    "a narrow cone": (256, cone),
    "collapsed codes": (64, collapsed),
    "heavy tails": (128, heavy_tails),
    "binary": (256, binary),
    "one-hot": (256, one_hot),
    "counts": (256, counts),
    "hubs": (128, hubs),
    "noise": (64, noise),
    "noise, many dimensions": (512, noise),
}
