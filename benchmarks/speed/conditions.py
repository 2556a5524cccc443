"""What the lines must reach, judged by the worst line of each condition."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from benchmarks.harness.results import Record
from benchmarks.speed import figures, names

Lines = Mapping[str, Mapping[str, Record]]
"""From scenarios and the keys of their lines to records."""

# A search must be at least so many times as fast as the fastest peer of any kind.
FASTEST_PEER = 2.5
# The effective rate must be at least so much of the float32 peak.
FP32_PEAK = 1.0
# A search for 100 neighbours may take so many times as long as one for 10.
LARGE_K = 1.5
# A search may take so many times as long as by the float32 strategy.
OWN_FP32 = 1.3


class Outcome(NamedTuple):
    """A condition, the line that is worst at it, what it measured, and whether that is enough."""

    condition: str
    line: str
    measured: str
    reached: str


def reached(ratio: float, target: Mapping[str, float]) -> str:
    if ratio >= target["goal"]:
        return "goal"
    return "floor" if ratio >= target["floor"] else "**missed**"


def outcomes(lines: Lines) -> list[Outcome]:
    """Judge every condition that has a line."""
    return [
        *_targets(lines, "target", "× FAISS", lambda line: figures.speed_over(line, "FAISS").median),
        *_targets(lines, "one_shot_target", "× FAISS, one-shot", _one_shot),
        *_lowest(
            "× fastest peer, k = 10",
            FASTEST_PEER,
            _of(lines, "AB", lambda line: line["k"] == 10 and not line["forced"]),
            lambda line: figures.speed_over(line, figures.fastest_peer(line)).median,
        ),
        *_lowest(
            "effective rate over the fp32 peak, d ≥ 128, k ≤ 10",
            FP32_PEAK,
            _of(lines, "AB", lambda line: line["dim"] >= 128 and line["k"] <= 10 and not line["forced"]),
            figures.share_of_fp32_peak,
        ),
        *_highest(
            "seconds over those of the fp32 strategy",
            OWN_FP32,
            _of(lines, "F", lambda line: True),
            lambda line: 1 / figures.speed_over(line, names.OWN_FP32).median,
        ),
        *_highest(
            "seconds at k = 100 over those at k = 10 (lines measured one after the other)",
            LARGE_K,
            _of(lines, "ABC", lambda line: line["k"] == 100),
            lambda line: _over_ten_neighbours(line, lines),
        ),
    ]


def _targets(lines: Lines, field: str, what: str, ratio: Callable[[Record], float]) -> Iterable[Outcome]:
    """Return one outcome for each pair of floor and goal in a scenario."""
    groups: dict[tuple[str, float, float], dict[str, Record]] = {}
    for letter, records in lines.items():
        for key, line in records.items():
            if line[field] is not None:
                group = (letter, line[field]["floor"], line[field]["goal"])
                groups.setdefault(group, {})[key] = line
    for (letter, floor, goal), group_lines in groups.items():
        key = min(group_lines, key=lambda key: ratio(group_lines[key]))
        worst = ratio(group_lines[key])
        outcome = reached(worst, {"floor": floor, "goal": goal})
        yield Outcome(f"{letter}: {what}, floor {floor:g}, goal {goal:g}", key, f"{worst:.2f}", outcome)


def _one_shot(line: Record) -> float:
    spread = figures.one_shot_over_faiss(line)
    assert spread is not None
    return spread.median


def _of(lines: Lines, letters: str, wanted: Callable[[Record], bool]) -> dict[str, Record]:
    return {
        f"{letter}: {key}": line
        for letter in letters
        for key, line in lines.get(letter, {}).items()
        if wanted(line)
    }


def _lowest(
    condition: str, bound: float, lines: dict[str, Record], value: Callable[[Record], float]
) -> Iterable[Outcome]:
    if lines:
        key = min(lines, key=lambda key: value(lines[key]))
        worst = value(lines[key])
        yield Outcome(f"{condition}, at least {bound:g}", key, f"{worst:.2f}", _yes(worst >= bound))


def _highest(
    condition: str, bound: float, lines: dict[str, Record], value: Callable[[Record], float]
) -> Iterable[Outcome]:
    if lines:
        key = max(lines, key=lambda key: value(lines[key]))
        worst = value(lines[key])
        yield Outcome(f"{condition}, at most {bound:g}", key, f"{worst:.2f}", _yes(worst <= bound))


def _yes(holds: bool) -> str:
    return "yes" if holds else "**missed**"


def _over_ten_neighbours(line: Record, lines: Lines) -> float:
    (ten,) = (
        other
        for records in lines.values()
        for other in records.values()
        if other["case"] == line["case"] and other["queries"] == line["queries"] and other["k"] == 10
    )
    return figures.seconds_per_call(line).median / figures.seconds_per_call(ten).median
