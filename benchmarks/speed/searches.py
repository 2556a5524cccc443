"""The two kinds of search that are timed: batches of queries, and every row among all others.

Both give each round its input (`turn`), search it with an engine (`answer`), tell whether latentknn's timed
answer is the checked one (`same`), and say how many rows were screened and scored exactly (`work_per_query`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.arrays import Codes, Ids
from benchmarks.harness.results import OURS
from benchmarks.speed.case import Line
from benchmarks.speed.peers import Latentknn, Searcher
from latentknn import CosineIndex, SearchResult

Engines = dict[str, Searcher]
Answers = list[Any]
"""One for each call: SearchResult from latentknn, ids from a peer."""


class Work(NamedTuple):
    """Rows that a query was compared with by the screen, and rows that were scored exactly for it."""

    screened: float
    candidates: float


class _Counts(NamedTuple):
    queries: int
    screened: float
    scored: float


class Turn(NamedTuple):
    """What one round searches, and with what."""

    engines: Engines
    queries: Codes


class Batches:
    """Calls with new queries from the pool each round, against indices that are built once."""

    def __init__(self, line: Line, engines: Engines, queries: Codes) -> None:
        self._line, self._engines, self._queries = line, engines, queries
        self._index = own_index(engines)
        self.checked = self._index.search(queries, line.k, scores64=True)
        self._counted_before = _counts(self._index)

    def turn(self, round_number: int) -> Turn:
        return Turn(self._engines, self._queries[self._chosen(round_number)])

    def answer(self, engine: Searcher, queries: Codes) -> Answers:
        search = engine.index.search if isinstance(engine, Latentknn) else engine.search
        size = self._line.queries
        return [search(queries[i : i + size], self._line.k) for i in range(0, len(queries), size)]

    def same(self, round_number: int, answers: Answers) -> bool:
        chosen = self._chosen(round_number)
        return all(
            np.concatenate([getattr(answer, name) for answer in answers]).tobytes()
            == getattr(self.checked, name)[chosen].tobytes()
            for name in ("ids", "similarities")
        )

    def work_per_query(self) -> Work:
        now, before = _counts(self._index), self._counted_before
        queries = now.queries - before.queries
        return Work((now.screened - before.screened) / queries, (now.scored - before.scored) / queries)

    def _chosen(self, round_number: int) -> NDArray[np.int64]:
        return _shuffled(len(self._queries), round_number)[: self._line.queries * self._line.calls]


class LeaveOneOut:
    """Every row among all others, in indices that are built anew from shuffled rows each round.

    Peers have no such search: they look for k + 1 neighbours of all rows and find each row itself among them.
    """

    def __init__(self, line: Line, engines: Engines, rows: Codes, build: Callable[[Codes], Engines]) -> None:
        self._line, self._rows, self._build = line, rows, build
        self._index = own_index(engines)
        self.checked = self._index.search_self(line.k, scores64=True)

    def turn(self, round_number: int) -> Turn:
        rows = self._rows[_shuffled(len(self._rows), round_number)]
        engines = self._build(rows)
        self._index = own_index(engines)
        return Turn(engines, rows)

    def answer(self, engine: Searcher, queries: Codes) -> Answers:
        if isinstance(engine, Latentknn):
            return [engine.index.search_self(self._line.k)]
        return [engine.search(queries, self._line.k + 1)]

    def same(self, round_number: int, answers: Answers) -> bool:
        # Only similarities are compared: which of several equal rows comes first depends on their order.
        order = _shuffled(len(self._rows), round_number)
        (answer,) = answers
        return bool(answer.similarities.tobytes() == self.checked.similarities[order].tobytes())

    def work_per_query(self) -> Work:
        counts = _counts(self._index)
        return Work(counts.screened / counts.queries, counts.scored / counts.queries)


def own_index(engines: Engines) -> CosineIndex:
    ours = engines[OURS]
    assert isinstance(ours, Latentknn)
    return ours.index


def found_ids(answers: Answers) -> Ids:
    return np.concatenate([a.ids if isinstance(a, SearchResult) else a for a in answers])


def _shuffled(count: int, round_number: int) -> NDArray[np.int64]:
    return np.random.default_rng(round_number).permutation(count)


def _counts(index: CosineIndex) -> _Counts:
    """Return the queries so far, and the rows screened and scored exactly for them."""
    explained = index.explain()
    screened, scored = explained.screened_per_query or 0.0, explained.candidates_per_query or 0.0
    return _Counts(explained.queries, screened * explained.queries, scored * explained.queries)
