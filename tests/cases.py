"""Kinds of codes and queries that are hard to rank exactly, generated from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.float32]
Builder = Callable[[np.random.Generator, int, int], Codes]

BUILDERS: dict[str, Builder] = {}
"""Maps the name of a kind to a function of (generator, number of rows, dimension)."""

WIDTHS = (1, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
SIZES = sorted({width + step for width in WIDTHS for step in (-1, 0, 1)} - {0})
"""Numbers of rows around the widths of vectors and tiles."""

DIMENSIONS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 784, 1000, 2000)


def kind(builder: Builder) -> Builder:
    BUILDERS[builder.__name__] = builder
    return builder


def build(name: str, seed: int, code_count: int, query_count: int, dim: int) -> tuple[Codes, Codes]:
    """Return codes and queries of a kind. Half of the queries are codes: ties and self-matches occur."""
    rng = np.random.default_rng(seed)
    rows = BUILDERS[name](rng, code_count + query_count, dim).astype(np.float32)
    codes, queries = rows[:code_count].copy(), rows[code_count:].copy()
    repeated = np.flatnonzero(rng.random(query_count) < 0.5)
    queries[repeated] = codes[rng.integers(code_count, size=len(repeated))]
    return codes, queries


def user_ids(seed: int, count: int) -> NDArray[np.int64]:
    """Return distinct unsorted ids, with negative ones and both ends of int64 among them."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(np.int64)
    pool = np.concatenate(
        [
            [limits.min, limits.max, limits.min + 1, limits.max - 1, 2**53, 2**53 + 1, -(2**31), 2**32],
            np.arange(-count, count),
            rng.integers(limits.min, limits.max, size=count),
        ]
    )
    return rng.permutation(np.unique(pool))[:count]


@kind
def gaussian(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return rng.standard_normal((count, dim)).astype(np.float32)


@kind
def rectified(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return sparse codes without negative values, as a ReLU gives them."""
    return np.maximum(gaussian(rng, count, dim) - np.float32(0.5), 0)


@kind
def duplicates(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return gaussian(rng, max(1, count // 8), dim)[rng.integers(max(1, count // 8), size=count)]


@kind
def all_equal(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return np.repeat(gaussian(rng, 1, dim), count, axis=0)


@kind
def parallel(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return multiples of one row, rounded to float32, on both sides of the origin."""
    return gaussian(rng, 1, dim) * rng.uniform(-3, 3, (count, 1)).astype(np.float32)


@kind
def last_bits(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return copies of one row with a few values moved to the next float32."""
    base = np.repeat(gaussian(rng, 1, dim), count, axis=0)
    target = np.where(rng.random(base.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
    return np.where(rng.random(base.shape) < 2 / dim, np.nextafter(base, target), base)


@kind
def near_ties(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return copies of one row with noise of a relative size from 1e-9 to 1e-6."""
    noise = gaussian(rng, count, dim) * 10.0 ** rng.uniform(-9, -6, (count, 1))
    return (gaussian(rng, 1, dim) * (1 + noise)).astype(np.float32)


@kind
def tight_cone(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return rows of similarities above 0.9999, where an fp32 screen is least certain."""
    centre = rng.uniform(1, 2, (1, dim))
    return (centre * (1 + 2e-3 * rng.uniform(-1, 1, (count, dim)))).astype(np.float32)


@kind
def zero_rows(rng: np.random.Generator, count: int, dim: int) -> Codes:
    codes = gaussian(rng, count, dim)
    codes[rng.random(count) < 0.4] = 0.0
    codes[rng.random(count) < 0.1] = -0.0
    return codes


@kind
def only_zero_rows(_rng: np.random.Generator, count: int, dim: int) -> Codes:
    return np.zeros((count, dim), dtype=np.float32)


@kind
def denormals(rng: np.random.Generator, count: int, dim: int) -> Codes:
    smallest = np.finfo(np.float32).smallest_subnormal
    return (rng.integers(-40, 41, (count, dim)) * smallest).astype(np.float32)


@kind
def norms_of_any_size(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return (rng.standard_normal((count, dim)) * 10.0 ** rng.uniform(-30, 30, (count, 1))).astype(np.float32)


@kind
def values_of_any_size(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return (rng.standard_normal((count, dim)) * 10.0 ** rng.uniform(-44, 37, (count, dim))).astype(np.float32)


@kind
def ends_of_float32(rng: np.random.Generator, count: int, dim: int) -> Codes:
    info = np.finfo(np.float32)
    ends = np.array([0.0, info.max, info.tiny, info.smallest_subnormal, 1.0, info.eps], dtype=np.float32)
    return rng.choice(np.concatenate([ends, -ends]), (count, dim))


@kind
def large_norms(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return rows whose squared norms are far beyond float32."""
    return (rng.uniform(-1, 1, (count, dim)) * np.finfo(np.float32).max).astype(np.float32)


@kind
def opposite_halves(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return rows of one sign each, so that most similarities to the other half are negative."""
    sign = rng.choice(np.float32([-1, 1]), (count, 1))
    return np.abs(gaussian(rng, count, dim)) * sign


@kind
def too_small_for_float32(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return rows of similarities so small that float32 rounds them to zero or a denormal."""
    codes = np.zeros((count, dim), dtype=np.float32)
    codes[np.arange(count), rng.integers(dim, size=count)] = rng.choice([-1e30, 1e30], count)
    small = rng.choice([-1e-10, 1e-12, 1e-30, 0.0], (count, dim))
    return np.where(codes == 0, small, codes).astype(np.float32)


@kind
def one_hot(rng: np.random.Generator, count: int, dim: int) -> Codes:
    codes = np.zeros((count, dim), dtype=np.float32)
    codes[np.arange(count), rng.integers(dim, size=count)] = rng.choice([1.0, 2.0, -1.0], count)
    return codes


@kind
def signs(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return codes of -1 and +1: similarities have few values, so that there are many ties."""
    return rng.choice(np.float32([-1, 1]), (count, dim))


@kind
def small_integers(rng: np.random.Generator, count: int, dim: int) -> Codes:
    return rng.integers(-2, 3, (count, dim)).astype(np.float32)


@kind
def permuted(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return one row's integers in many orders, and constant rows to which all others are equally similar.

    The equal sums are exact in float64; in a lower precision they differ with the order of the additions.
    """
    codes = np.tile(rng.integers(1, 4096, dim), (count, 1))
    codes[: count // 2].sort(axis=1)
    codes[: count // 4] = codes[: count // 4, ::-1]
    codes[count // 2 :] = rng.permuted(codes[count // 2 :], axis=1)
    codes[rng.random(count) < 0.2] = 1
    return rng.permutation(codes).astype(np.float32)


@kind
def mixture(rng: np.random.Generator, count: int, dim: int) -> Codes:
    """Return rows of every other kind, mixed."""
    builders = [builder for builder in BUILDERS.values() if builder is not mixture]
    choice = rng.integers(len(builders), size=count)
    codes = np.empty((count, dim), dtype=np.float32)
    for number, builder in enumerate(builders):
        rows = np.flatnonzero(choice == number)
        codes[rows] = builder(rng, len(rows), dim)
    return codes
