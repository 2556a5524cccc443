"""The float64 reference's answers to a few queries, which every engine's answers are compared with."""

import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.arrays import Codes, Ids
from benchmarks.harness.paths import ROOT
from latentknn import SearchResult

# The reference stands among the tests, which are no package.
sys.path.insert(0, str(ROOT / "tests"))
import reference

# The reference works in float64 and holds eight sums of every pair, so it gets so many rows at once.
_ROWS_AT_ONCE = 4096
_MOST_QUERIES, _FEWEST_QUERIES = 16, 4
# More pairs of queries and rows than these would take minutes.
_PAIRS = 4_000_000


class Truth:
    """What the reference finds for the first queries, or for the first rows among all others."""

    def __init__(self, rows: Codes, queries: Codes, k: int, leave_one_out: bool = False) -> None:
        sample = queries[: max(_FEWEST_QUERIES, min(_MOST_QUERIES, _PAIRS // len(rows)))]
        self.queries = sample
        self._leave_one_out = leave_one_out
        self._scores = np.concatenate(
            [
                reference.scores(rows[start : start + _ROWS_AT_ONCE], sample)
                for start in range(0, len(rows), _ROWS_AT_ONCE)
            ],
            axis=1,
        )
        self._answer = reference.best(self._scores, k, leave_self_out=leave_one_out)

    def require_equal(self, found: SearchResult, k: int, where: str) -> None:
        """Stop the benchmark unless the first answers are the reference's to the byte, scores64 included."""
        assert found.scores64 is not None
        expected = self._answer
        for name in ("ids", "similarities", "scores64"):
            own = getattr(found, name)[: len(self.queries)]
            if own.tobytes() != getattr(expected, name)[:, :k].tobytes():
                raise SystemExit(f"latentknn's {name} differ from the reference at {where}")

    def share_right(self, found: Ids, k: int) -> float:
        """Return the share of the first answers that are as similar as the reference's k-th; ties count."""
        right = 0
        for query, (scores, ids) in enumerate(zip(self._scores, found, strict=False)):
            distinct = np.unique(self._without_self(ids, query)[:k])
            right += np.count_nonzero(scores[distinct] >= self._answer.scores64[query, k - 1])
        return right / (len(self.queries) * k)

    def _without_self(self, ids: NDArray[np.integer], query: int) -> NDArray[np.integer]:
        return ids[ids != query] if self._leave_one_out else ids
