"""Codes in a narrow cone, among which a few point elsewhere: no 8-bit screen has room for those."""

import numpy as np

_SAMPLED = 4096


def narrow_cone(count: int, dim: int) -> np.ndarray:
    """Return codes of which each is as much like the others as any."""
    return np.tile(1 + 0.05 * _noise(100, dim), (-(-count // 100), 1))[:count]


def make_unlike(codes: np.ndarray, every: int, before: int = 0) -> np.ndarray:
    """Let some of the codes point elsewhere; return their positions.

    A screen is made from a sample of all codes, at equal distances, which has none of them. ``before`` is the
    number of codes that come before these in the index.
    """
    total = before + len(codes)
    sampled = np.arange(_SAMPLED) * total // _SAMPLED - before
    unlike = np.setdiff1d(np.arange(0, len(codes), every), sampled)
    codes[unlike] = _noise(len(unlike), codes.shape[1])
    return unlike


def _noise(count: int, dim: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((count, dim), dtype=np.float32)
