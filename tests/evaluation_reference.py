"""The measures of an evaluation as short, slow definitions, over the reference's similarities."""

from __future__ import annotations

import itertools
import math

import numpy as np

import reference


def ranking(codes, items, *, leave_one_out):
    """Return the positions of all codes, or of all other codes, for each item, best first."""
    if leave_one_out:
        return reference.search_self(codes, len(codes) - 1).positions
    return reference.search(codes, items, len(codes)).positions


def retrieval(hits, relevant, k):
    """Return precision, recall, hit rate and NDCG at k, R-precision and MAP@R of one item."""
    precision = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits))]
    gain = sum(1 / math.log2(rank + 2) for rank in range(k) if hits[rank])
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, relevant)))
    return (
        sum(hits[:k]) / k,
        sum(hits[:k]) / relevant,
        float(any(hits[:k])),
        gain / ideal,
        precision[relevant - 1],
        sum(precision[rank] for rank in range(relevant) if hits[rank]) / relevant,
    )


def calibration_error(shares, right, bins=10):
    """Return the expected calibration error; a bin holds shares above its lower edge, up to its upper one."""
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (shares > low) & (shares <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - shares[inside].mean())
    return error


def duplicate_pairs(scores, threshold, *, leave_one_out):
    """Return the set of pairs of item and code whose similarity reaches the threshold."""
    return {
        (item, code)
        for item, row in enumerate(scores)
        for code, score in enumerate(row)
        if score >= threshold and not (leave_one_out and code <= item)
    }


def mcnemar(only_first, only_second):
    """Return the two-sided exact p-value: the probability of at most the smaller number, doubled."""
    n, smaller = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(math.comb(n, number) for number in range(smaller + 1)) / 2**n)
