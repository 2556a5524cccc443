"""The compute core of latentknn."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__version__: str

def available_isas() -> list[str]: ...
def refused_isas() -> list[str]: ...
def strategy_names() -> list[str]: ...
def usable_processors() -> int: ...
def searches_by_isa() -> dict[str, int]: ...
def round_rows(rows: NDArray[Any], what: str) -> NDArray[np.float32]: ...

_Answer = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64] | None]

_Ranges = tuple[
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64] | None,
]

class TooManyFoundError(ValueError): ...

def merge_answers(
    scores: NDArray[np.float64],
    positions: NDArray[np.int64],
    ids: NDArray[np.int64],
    other_scores: NDArray[np.float64],
    other_positions: NDArray[np.int64],
    other_ids: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...

class Database:
    @overload
    def __init__(self, dim: int, strategy: str) -> None: ...
    @overload
    def __init__(self, other: Database) -> None: ...
    @staticmethod
    def joined(others: Sequence[Database], numbered: bool) -> Database: ...
    def __len__(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def isa(self) -> str: ...
    @property
    def strategy(self) -> str: ...
    def add(self, rows: NDArray[Any], ids: NDArray[np.int64] | None, threads: int) -> None: ...
    def fill(
        self,
        count: int,
        write: Callable[[NDArray[np.float32]], None],
        ids: NDArray[np.int64] | None,
        threads: int,
    ) -> None: ...
    def change(
        self,
        gone: NDArray[np.int64],
        rows: NDArray[Any],
        ids: NDArray[np.int64] | None,
        threads: int,
    ) -> None: ...
    def compact(self, threads: int) -> None: ...
    def own_ids(self) -> NDArray[np.int64] | None: ...
    def explain(self) -> dict[str, Any]: ...
    def rows(self, first: int = 0, last: int | None = None) -> NDArray[np.float32]: ...
    def search(
        self,
        queries: NDArray[Any],
        k: int,
        allowed: NDArray[np.uint8] | None,
        threads: int,
        scores64: bool,
        at_least: NDArray[np.float64] | None = None,
    ) -> _Answer: ...
    def search_self(self, k: int, threads: int, scores64: bool) -> _Answer: ...
    def score(self, queries: NDArray[Any], positions: NDArray[np.int64], k: int, threads: int) -> _Answer: ...
    def search_range(
        self,
        queries: NDArray[Any],
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
        by_similarity: bool,
        scores64: bool,
        most: int,
    ) -> _Ranges: ...
    def count_range(
        self,
        queries: NDArray[Any],
        at_least: NDArray[np.float64],
        allowed: NDArray[np.uint8] | None,
        threads: int,
    ) -> NDArray[np.int64]: ...
    def search_range_behind(
        self, first: int, last: int, at_least: float, threads: int, by_similarity: bool, most: int
    ) -> _Ranges: ...
