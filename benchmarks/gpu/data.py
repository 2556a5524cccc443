"""What the CUDA engine is measured on: rows, and queries of the same kind."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.harness.arrays import Codes

QUERIES = 10_000
ROWS_AT_ONCE = 1 << 15
# Numbers of a code of a class lie so far around those of its centre, which are normally distributed.
SPREAD = 0.5
# A rehearsal has at least so many.
FEWEST_ROWS, FEWEST_QUERIES = 1120, 270


@dataclass(frozen=True)
class Data:
    """A database and its queries; by default the headline of the tables.

    Parameters
    ----------
    rows, dim : int
    classes : int
        Around so many centres, one class after the other, as codes sorted by class; 0: noise without classes.
    queries : int
    """

    rows: int = 1_000_000
    dim: int = 128
    classes: int = 0
    queries: int = QUERIES

    def __str__(self) -> str:
        kind = f"{self.classes:,} classes" if self.classes else "noise"
        return f"{kind}, {self.rows:,} x {self.dim}"

    @property
    def operations(self) -> int:
        """Two for every product of a number of a row and one of a query, whether or not it is needed."""
        return 2 * self.rows * self.dim * self.queries

    def scaled(self, scale: float) -> "Data":
        """Return a smaller one of the same kind, for a rehearsal."""
        if scale == 1:
            return self
        rows, queries = (round(scale * count) for count in (self.rows, self.queries))
        return replace(self, rows=max(rows, FEWEST_ROWS), queries=max(queries, FEWEST_QUERIES))

    def make(self) -> tuple[Codes, Codes]:
        """Return rows and queries, the same each time."""
        rows, queries = _normal(self.rows, self.dim, 0), _normal(self.queries, self.dim, 1)
        if self.classes:
            centres = _normal(self.classes, self.dim, 2)
            for codes, classes in (
                (rows, np.arange(self.rows) * self.classes // self.rows),
                (queries, np.random.default_rng(3).integers(self.classes, size=self.queries)),
            ):
                codes *= np.float32(SPREAD)
                codes += centres[classes]
        return rows, queries


def _normal(count: int, dim: int, seed: int) -> Codes:
    """Return normally distributed numbers, drawn on all processors: one takes seconds for a million rows."""
    values = np.empty((count, dim), np.float32)

    def fill(begin: int) -> None:
        part = values[begin : begin + ROWS_AT_ONCE]
        np.random.default_rng([seed, begin]).standard_normal(dtype=np.float32, out=part)

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(0, count, ROWS_AT_ONCE)))
    return values
