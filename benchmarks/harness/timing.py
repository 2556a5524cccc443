"""Repeated times of several functions in turns, whose ratios mean something on a machine that drifts."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Idle OpenMP workers of a peer spin for a while before they sleep, so every call waits for so long.
_REST_SECONDS = 0.05


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
    functions: Mapping[str, Callable[[Any], Any]],
    make_input: Callable[[int], Any],
    rounds: int,
    check: Callable[[str, int, Any], None] = lambda name, round_number, answer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time every function once a round, on the round's own input; each round begins with another one.

    The answers go to `check`, which is not timed. The first round warms up, and is not in the result.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = list(functions)
    for round_number in range(rounds + 1):
        given = make_input(round_number)
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            time.sleep(_REST_SECONDS)
            began = clock()
            answer = functions[name](given)
            took = clock() - began
            check(name, round_number, answer)
            del answer
            if round_number > 0:
                times[name].append(took)
    return times


def ratios(of: list[float], over: list[float]) -> Spread:
    """Return how many times as fast as `of` `over` was, pair by pair."""
    return Spread.of([slow / fast for slow, fast in zip(of, over, strict=True)])
