"""What is calculated from a line's record: ratios, rates and shares of what the machine gives at most."""

import statistics

from benchmarks.harness.results import OURS, Record
from benchmarks.harness.timing import Spread, ratios
from benchmarks.speed import names


def seconds_per_call(line: Record) -> Spread:
    return Spread.of([seconds / line["calls"] for seconds in line["seconds"][OURS]])


def speed_over(line: Record, name: str) -> Spread:
    """Divide the time an engine takes for a query by that of latentknn, round by round."""
    return ratios(_seconds_per_query(line, name), _seconds_per_query(line, OURS))


def one_shot_over_faiss(line: Record) -> Spread | None:
    """Return the same over FAISS with both indices built anew each time."""
    seconds = line.get("one_shot_seconds")
    return None if seconds is None else ratios(seconds["FAISS"], seconds[OURS])


def peers_of(line: Record) -> list[str]:
    return [name for name in line["seconds"] if name in names.PEERS]


def fastest_peer(line: Record) -> str:
    return min(peers_of(line), key=lambda name: speed_over(line, name).median)


def queries_per_second(line: Record, name: str) -> float:
    return 1 / statistics.median(_seconds_per_query(line, name))


def gigaflops(line: Record) -> float:
    """Count two operations for every product of a row and a query, screened out or not."""
    operations = 2.0 * line["rows"] * line["queries"] * line["dim"]
    return operations / seconds_per_call(line).median / 1e9


def share_of_fp32_peak(line: Record) -> float:
    return gigaflops(line) / float(line["limits"]["fp32"])


def share_of_bandwidth(line: Record) -> float:
    """Compare with reading the rows once a call, as float32."""
    gigabytes = 4.0 * line["rows"] * line["dim"] / 1e9
    return gigabytes / seconds_per_call(line).median / float(line["limits"]["read"])


def _seconds_per_query(line: Record, name: str) -> list[float]:
    return [seconds / line["queries_given"][name] for seconds in line["seconds"][name]]
