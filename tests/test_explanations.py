"""What an index says of its searches: no query counts more codes than there are."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
from new_interpreter import run_script
from unlike_codes import make_unlike, narrow_cone

CODES, DIM = 3000, 24


def _noise(seed=0, count=CODES):
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def _counts(index):
    found = index.explain()
    counts = (found.screened_per_query, found.finer_per_query, found.candidates_per_query)
    return [each for each in counts if each is not None]


def test_removed_codes_are_compared_but_not_counted(strategy):
    """A sixth of the codes is removed, too few to pack the others anew; in noise hardly a cell is skipped."""
    index = lk.CosineIndex.from_codes(_noise(), strategy=strategy)
    index.remove(np.arange(0, CODES, 6))
    index.search(_noise(1, 50), 100)
    index.search_self(5)
    assert index.explain().rows == CODES - CODES // 6
    assert len(_counts(index)) == 3
    assert max(_counts(index)) <= len(index)


def test_counts_are_of_searches_among_the_codes_that_there_are(strategy):
    index = lk.CosineIndex.from_codes(_noise(), strategy=strategy)
    index.search(_noise(1, 50), 10)
    kept = index.snapshot()
    index.remove(np.arange(100, CODES))
    assert (index.explain().queries, _counts(index)) == (0, [])
    index.search(_noise(1, 50), 10)
    assert index.explain().queries == 50
    assert max(_counts(index)) <= 100
    assert kept.explain().queries == 50
    assert 100 < max(_counts(kept)) <= CODES


def test_compacting_changes_no_codes_and_no_counts():
    index = lk.CosineIndex.from_codes(_noise())
    index.add(_noise(2, 10))
    index.search(_noise(1, 50), 10)
    before = _counts(index)
    index.compact()
    assert (index.explain().queries, _counts(index)) == (50, before)


def test_removed_codes_unlike_the_others_are_not_told():
    codes = narrow_cone(7000, 48)
    unlike = make_unlike(codes, every=250)
    index = lk.CosineIndex.from_codes(codes, strategy="int8")
    assert index.explain().unscreened_rows == len(unlike) > 5
    index.remove(unlike)
    assert index.explain().unscreened_rows == 0


@pytest.mark.parametrize("search", ["index.search(queries, 10)", "index.search_self(10)"])
def test_interrupted_searches_count_nowhere(search):
    """An interrupted search has compared codes for queries that it did not answer."""
    script = """
        import sys, time
        import numpy as np
        import latentknn as lk
        from interrupting import is_interrupted

        rng = np.random.default_rng(0)
        codes, queries = rng.standard_normal((2, 60_000, 128), dtype=np.float32)
        index = lk.CosineIndex.from_codes(codes, threads=1, strategy="fp32")
        index.search(queries[:10], 10)
        before = index.explain()
        assert is_interrupted(lambda: eval(sys.argv[1]), 200)
        after = index.explain()
        assert after == before, (before, after)
    """
    run_script(script, search)
