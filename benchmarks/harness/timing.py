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
    """Time every function once a round, on the round's own input; each round has an order of its own.

    So what a function leaves behind, in caches and in threads that are still awake, meets another one each
    time. The answers go to `check`, which is not timed. The first round warms up, and is not in the result.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = list(functions)
    for round_number in range(rounds + 1):
        given = make_input(round_number)
        for name in [names[i] for i in balanced_order(len(names), round_number)]:
            time.sleep(_REST_SECONDS)
            began = clock()
            answer = functions[name](given)
            took = clock() - began
            check(name, round_number, answer)
            del answer
            if round_number > 0:
                times[name].append(took)
    return times


def balanced_order(count: int, round_number: int) -> list[int]:
    """Return the order of a round, in which everything comes after something else than in the rounds before.

    In `count` rounds, twice as many where it is odd, each comes after each other equally often (E. J.
    Williams, "Experimental Designs Balanced for the Estimation of Residual Effects of Treatments", 1949).
    """
    steps = [-(i // 2) if i % 2 == 0 else (i + 1) // 2 for i in range(count)]
    order = [(step + round_number) % count for step in steps]
    return order[::-1] if count % 2 == 1 and round_number // count % 2 == 1 else order


def ratios(of: list[float], over: list[float]) -> Spread:
    """Return how many times as fast as `of` `over` was, pair by pair."""
    return Spread.of([slow / fast for slow, fast in zip(of, over, strict=True)])
