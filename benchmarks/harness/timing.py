"""Paired, repeated timing."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_REST_SECONDS = 0.05  # before each call: idle OpenMP workers of a peer spin for a while before they sleep


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def paired_times(
    runs: Mapping[str, Callable[[Any], Any]],
    make_input: Callable[[int], Any],
    rounds: int,
    check: Callable[[str, int, Any], None] = lambda name, round_number, answer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time every run once a round, on the round's own input, starting each round with another one.

    `check` gets every answer, untimed.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for round_number in range(rounds + 1):
        given = make_input(round_number)
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(_REST_SECONDS)
            began = clock()
            answer = runs[name](given)
            took = clock() - began
            check(name, round_number, answer)
            del answer
            if round_number > 0:  # the first round warms up
                times[name].append(took)
    return times


def ratios(of: list[float], over: list[float]) -> Spread:
    """How many times faster `over` ran than `of`, pair by pair."""
    return Spread.of([slow / fast for slow, fast in zip(of, over, strict=True)])
