"""What a scenario consists of: cases, each an index of some rows, and lines, each a search of a case."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.harness.arrays import Codes
from benchmarks.speed import names

# A scaled case has at least so many.
_FEWEST_ROWS, _FEWEST_QUERIES = 2000, 64


@dataclass(frozen=True)
class Target:
    """How many times as fast as FAISS a line must be at least, and how many it should be."""

    floor: float
    goal: float


@dataclass(frozen=True)
class Line:
    """A search, timed: `calls` calls with `queries` queries each a round."""

    queries: int
    k: int
    calls: int = 1
    target: Target | None = None
    one_shot: bool = False
    one_shot_target: Target | None = None


@dataclass(frozen=True)
class Case:
    """Rows and a pool of queries that `make(rows, queries, dim)` returns, and what is searched in them.

    With `leave_one_out` every row is searched among all others, and there are no other queries.
    """

    data: str
    rows: int
    queries: int
    dim: int
    make: Callable[[int, int, int], tuple[Codes, Codes]]
    lines: tuple[Line, ...]
    strategy: str = "auto"
    leave_one_out: bool = False
    beside: tuple[str, ...] = names.PEERS

    @property
    def key(self) -> str:
        forced = "" if self.strategy == "auto" else f", {self.strategy} forced"
        return f"{self.data}, n={self.rows}, d={self.dim}{forced}"

    def line_key(self, line: Line) -> str:
        return f"{self.key}, {line.queries} queries, k={line.k}"

    def codes(self) -> tuple[Codes, Codes]:
        return self.make(self.rows, self.queries, self.dim)

    def scaled(self, scale: float) -> "Case":
        """Shrink the case for a quick look: fewer rows and queries, and no k above half of the rows."""
        rows = min(self.rows, max(_FEWEST_ROWS, int(self.rows * scale)))
        lines = tuple(
            replace(
                line,
                queries=rows if self.leave_one_out else _fewer(line.queries, scale),
                k=min(line.k, rows // 2),
            )
            for line in self.lines
        )
        pool = 0 if self.leave_one_out else max(line.queries * line.calls for line in lines)
        return replace(self, rows=rows, queries=pool, lines=lines)


def _fewer(queries: int, scale: float) -> int:
    return min(queries, max(_FEWEST_QUERIES, int(queries * scale)))
