"""Candidates that another engine found are scored by the contract."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from engine_problem import CODES, DIM, QUERIES, build_problem
from latentknn import _core


@pytest.fixture(scope="module")
def problem():
    return build_problem()


def test_candidates_are_scored_by_the_contract(isa, problem):
    codes, _, queries = problem
    database = _core.Database(DIM, "float64")
    database.add(codes, None, 2)
    rng = np.random.default_rng(3)
    positions = rng.integers(-1, CODES, (QUERIES, 200))
    similarities, found, ids, scores = database.score(queries, positions, 20, 2)
    everything = reference.scores(codes, queries)
    for query, candidates in enumerate(positions):
        rows = np.unique(candidates[candidates >= 0])
        best = rows[np.lexsort((rows, -everything[query, rows]))[:20]]
        assert found[query].tolist() == ids[query].tolist() == best.tolist()
        assert scores[query].tobytes() == everything[query, best].tobytes()
        assert similarities[query].tobytes() == everything[query, best].astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("position", "k", "said"),
    [
        (-1, 3, "has 2 candidates"),
        (5, 3, "has 2 candidates"),
        (9999, 3, "9999"),
        (7, 0, "k must be at least 1"),
    ],
)
def test_candidates_that_are_wrong(problem, position, k, said):
    codes, _, queries = problem
    database = _core.Database(DIM, "float64")
    database.add(codes, None, 2)
    with pytest.raises(ValueError, match=said):
        database.score(queries[:1], np.array([[5, 6, position]]), k, 1)
