"""Measuring a case: what its index costs, then every line that has not been measured yet."""

import ctypes
import gc
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.arrays import Codes
from benchmarks.harness.machine import measured_limits
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import OURS, Results
from benchmarks.harness.timing import paired_times
from benchmarks.speed import names, peers
from benchmarks.speed.case import Case, Line
from benchmarks.speed.searches import Batches, Engines, LeaveOneOut, found_ids, own_index
from benchmarks.speed.truth import Truth

Builders = dict[str, Callable[[Codes], peers.Searcher]]

# A peer other than FAISS gets so many queries as it answers in this time.
PATIENCE_SECONDS = 1.0
# It is tried with so many queries first, and then with so many times as many.
_FIRST_TRY, _FACTOR = 64, 4


@dataclass(frozen=True)
class Settings:
    """What holds for all cases that are measured at once."""

    rounds: int
    threads: int
    peers: tuple[str, ...]


def measure(case: Case, settings: Settings, results: Results, show: Callable[[dict[str, Any]], None]) -> None:
    """Measure what is missing of a case, and write each record as soon as it is there."""
    missing = [line for line in case.lines if case.line_key(line) not in results.lines]
    if not missing:
        return
    builders = _builders(case, settings)
    both = {name: builders[name] for name in (OURS, "FAISS")}
    if case.key not in results.cases:
        # This comes before this process holds the rows, so that a large case takes their room only once.
        grown = {name: in_fresh_process(_memory_growth, case, both[name]) for name in both}
        rows, queries = case.codes()
        seconds = paired_times(
            {name: lambda _, build=build: build(rows) for name, build in both.items()},
            lambda _: None,
            settings.rounds,
        )
        results.cases[case.key] = {"build_seconds": seconds, "memory_bytes": grown}
        results.write()
    else:
        rows, queries = case.codes()

    most = max(line.k for line in case.lines)
    truth = Truth(rows, rows if case.leave_one_out else queries, most, case.leave_one_out)
    engines = _built(builders, rows)
    for line in missing:
        kind: Batches | LeaveOneOut
        if case.leave_one_out:
            kind = LeaveOneOut(line, engines, rows, partial(_built, builders))
        else:
            kind = Batches(line, engines, queries)
        record = _line_record(case, line, settings, kind, engines, truth)
        if line.one_shot:
            record["one_shot_seconds"] = _one_shot_seconds(settings, kind, both, rows)
        results.lines[case.line_key(line)] = record
        results.write()
        show(record)


def _line_record(
    case: Case,
    line: Line,
    settings: Settings,
    kind: Batches | LeaveOneOut,
    engines: Engines,
    truth: Truth,
) -> dict[str, Any]:
    key = case.line_key(line)
    truth.require_equal(kind.checked, line.k, key)
    right = {
        name: truth.share_right(found_ids(kind.answer(engine, truth.queries)), line.k)
        for name, engine in engines.items()
    }
    queries = kind.turn(0).queries
    given = {
        name: len(queries)
        if name in (OURS, names.OWN_FP32, "FAISS")
        else _affordable(partial(kind.answer, engine), queries, line)
        for name, engine in engines.items()
    }

    def check(name: str, round_number: int, answers: list[Any]) -> None:
        if name in (OURS, names.OWN_FP32) and not kind.same(round_number, answers):
            raise SystemExit(f"{name} gave another answer while it was timed at {key}")

    limits = measured_limits(settings.threads)
    seconds = paired_times(
        {
            name: lambda turn, name=name: kind.answer(turn.engines[name], turn.queries[: given[name]])
            for name in engines
        },
        kind.turn,
        settings.rounds,
        check,
    )
    index = own_index(engines)
    work = kind.work_per_query()
    return {
        "case": case.key,
        "data": case.data,
        "rows": case.rows,
        "dim": case.dim,
        **asdict(line),
        "leave_one_out": case.leave_one_out,
        "forced": case.strategy != "auto",
        "strategy": index.explain().strategy,
        "isa": index.isa,
        "seconds": seconds,
        "queries_given": given,
        "share_right": right,
        "queries_checked_with_reference": len(truth.queries),
        "screened_per_query": work.screened,
        "candidates_per_query": work.candidates,
        "limits": limits,
    }


def _one_shot_seconds(
    settings: Settings, kind: Batches | LeaveOneOut, builders: Builders, rows: Codes
) -> dict[str, list[float]]:
    return paired_times(
        {
            name: lambda turn, build=build: kind.answer(build(rows), turn.queries)
            for name, build in builders.items()
        },
        kind.turn,
        settings.rounds,
    )


def _builders(case: Case, settings: Settings) -> Builders:
    wanted = [name for name in case.beside if name in (*settings.peers, names.OWN_FP32)]
    ours = partial(peers.Latentknn, threads=settings.threads, strategy=case.strategy)
    return {OURS: ours} | {name: partial(peers.ENGINES[name], threads=settings.threads) for name in wanted}


def _built(builders: Builders, rows: Codes) -> Engines:
    return {name: build(rows) for name, build in builders.items()}


def _affordable(answer: Callable[[Codes], object], queries: Codes, line: Line) -> int:
    """Find how many queries a peer answers within the patience, trying four times as many each time."""
    count = line.queries if line.calls > 1 else _FIRST_TRY
    while count < len(queries):
        began = time.perf_counter()
        answer(queries[:count])
        if (time.perf_counter() - began) * _FACTOR > PATIENCE_SECONDS:
            return count
        count *= _FACTOR
    return len(queries)


def _memory_growth(case: Case, build: Callable[[Codes], peers.Searcher]) -> int:
    """Return the bytes by which this process grows when it builds an index and searches it once."""
    rows, _ = case.codes()
    before = _resident_bytes()
    engine = build(rows)
    engine.search(rows[:1], 1)
    return _resident_bytes() - before


def _resident_bytes() -> int:
    gc.collect()
    # What was freed goes back to the system.
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
