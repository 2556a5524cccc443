"""How long Ctrl-C takes to end each public call: from the signal to KeyboardInterrupt, in seconds.

python -m benchmarks.speed.interrupt [ROUNDS] [--dim DIM] [--codes CODES] [--only NAME,NAME]
                                     [--processor-time]

Writes interrupt.json, and the table of benchmarks/README.md from it. With --only, the other calls stay as
they are, so that a machine need not be left alone for long at a time. Other dimensions than 128 have a file
of their own, as interrupt_768.json.

With --processor-time, seconds are those of the process on all processors, which other work on the machine
hardly lengthens: what a call computes after a signal takes no longer on a machine that is left alone.
"""

import argparse
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

import latentknn as lk
from benchmarks.harness.machine import machine
from benchmarks.harness.markdown import replace_generated_part, table
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.results import read_json, write_json
from benchmarks.harness.timing import Spread

README = ROOT / "benchmarks" / "README.md"
WRITER = "speed/interrupt.py"

DIM = 128
QUERIES = 4_000
SIMILARITY = 0.25
"""A threshold of range searches that some rows of noise reach."""
SHORTEST_CALL_SECONDS = 0.05
"""A call that ends sooner has nothing to be interrupted in."""
MOST_ATTEMPTS_A_ROUND = 4

Call = Callable[[], object]


class Clock(NamedTuple):
    """What measures, and what sends a signal after so many of its seconds."""

    now: Callable[[], float]
    timer: int
    signal: int


WALL = Clock(time.perf_counter, signal.ITIMER_REAL, signal.SIGALRM)
PROCESSOR = Clock(time.process_time, signal.ITIMER_PROF, signal.SIGPROF)


def calls(folder: Path, count: int, dim: int) -> dict[str, tuple[Call, Call]]:
    """Return every call by its name, and before it what sets its scene anew."""
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((count, dim), dtype=np.float32)
    queries = generator.standard_normal((QUERIES, dim), dtype=np.float32)
    labels = generator.integers(0, 10, count)
    names, wide = labels.astype(str), codes.astype(float)
    index = lk.CosineIndex.from_codes(codes, labels)
    index.save(folder / "index.safetensors")
    few = lk.CosineIndex.from_codes(codes[: count // 8], labels[: count // 8])
    classifier = lk.CosineKNNClassifier(5).fit(codes, labels)
    unwanted = generator.permutation(count)[: count // 2]
    shards = [lk.CosineIndex.from_codes(part) for part in np.split(codes, 4)]
    lk.CosineIndex.from_codes(codes, labels).save(f"{folder / 'shards'}/")
    changed: list[lk.CosineIndex] = []

    def nothing() -> None:
        pass

    def copy() -> None:
        changed[:] = [lk.CosineIndex.from_codes(codes, labels)]

    def forget_classes() -> None:
        index._by_class = None

    def holes() -> None:
        copy()
        changed[0].remove(unwanted[: count // 5])

    def write_shards() -> None:
        with TemporaryDirectory(dir=folder) as other, lk.shards.Writer(other, dim, count // 4) as writer:
            writer.add(codes, labels)

    return {
        "search": (nothing, lambda: index.search(queries, 10)),
        "search for 1000": (nothing, lambda: index.search(queries[:1_000], 1_000)),
        "search among some": (nothing, lambda: index.search(queries, 10, allowed=labels > 4)),
        "search_self": (nothing, lambda: few.search_self(10)),
        "search_radius": (nothing, lambda: index.search_radius(queries, SIMILARITY)),
        "count_within": (nothing, lambda: index.count_within(queries, SIMILARITY)),
        "pairs_above": (nothing, lambda: sum(len(pairs) for pairs in index.pairs_above(2 * SIMILARITY))),
        "search_per_class": (nothing, lambda: index.search_per_class(queries, 3)),
        "setting classes apart": (forget_classes, lambda: index.search_per_class(queries[:9], 3)),
        "recall": (nothing, lambda: few.recall(queries, 10)),
        "from_codes": (nothing, lambda: lk.CosineIndex.from_codes(codes, labels)),
        "from_codes of float64": (
            nothing,
            lambda: lk.CosineIndex.from_codes(wide, names),
        ),
        "cosine_search": (nothing, lambda: lk.cosine_search(codes, queries, 10)),
        "add": (copy, lambda: changed[0].add(codes, labels)),
        "remove": (copy, lambda: changed[0].remove(unwanted)),
        "update": (copy, lambda: changed[0].update(codes[unwanted], unwanted)),
        "upsert": (copy, lambda: changed[0].upsert(codes[unwanted], unwanted)),
        "compact": (holes, lambda: changed[0].compact()),
        "save": (nothing, lambda: index.save(folder / "other.safetensors")),
        "load": (nothing, lambda: lk.CosineIndex.load(folder / "index.safetensors")),
        "search of shards": (nothing, lambda: lk.shards.ShardedIndex(shards).search(queries, 10)),
        "writing shards": (nothing, write_shards),
        "opening shards": (nothing, lambda: lk.shards.open(folder / "shards")),
        "fit": (nothing, lambda: lk.CosineKNNClassifier(5).fit(codes, labels)),
        "predict": (nothing, lambda: classifier.predict(queries)),
        "predict_proba": (nothing, lambda: classifier.predict_proba(queries)),
        "kneighbors": (nothing, lambda: classifier.kneighbors(queries, 5)),
    }


def latencies(before: Call, call: Call, rounds: int, clock: Clock) -> tuple[float, list[float]]:
    """Return how long a call takes, and how long after a signal at a random moment each of some ended."""
    before()
    began = clock.now()
    call()
    takes = clock.now() - began
    generator = np.random.default_rng(1)
    found: list[float] = []
    for _ in range(MOST_ATTEMPTS_A_ROUND * rounds):
        if len(found) == rounds or takes < SHORTEST_CALL_SECONDS:
            break
        before()
        due = clock.now() + generator.uniform(0.002, 0.9 * takes)
        signal.setitimer(clock.timer, due - clock.now())
        try:
            call()
            signal.setitimer(clock.timer, 0)
        except KeyboardInterrupt:
            found.append(clock.now() - due)
    return takes, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=50)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--codes", type=int, default=60_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--processor-time", action="store_true")
    arguments = parser.parse_args()
    clock = PROCESSOR if arguments.processor_time else WALL
    name_of_results = "interrupt" if arguments.dim == DIM else f"interrupt_{arguments.dim}"
    if arguments.processor_time:
        name_of_results += "_processor_time"
    signal.signal(clock.signal, signal.default_int_handler)
    about = machine(lk._core.usable_processors(), ["latentknn", "numpy"])
    measured = read_json(RESULTS / f"{name_of_results}.json").get("calls", {}) if arguments.only else {}
    with TemporaryDirectory() as folder:
        for name, (before, call) in calls(Path(folder), arguments.codes, arguments.dim).items():
            if arguments.only and name not in arguments.only.split(","):
                continue
            takes, found = latencies(before, call, arguments.rounds, clock)
            measured[name] = {"call_seconds": takes, "seconds": found}
            spread = (
                f"{Spread.of(found)} s, median (smallest-largest) of {len(found)}" if found else "too short"
            )
            print(f"{name}: takes {takes:.2f} s; from signal to KeyboardInterrupt {spread}", flush=True)
            write_json(name_of_results, {"machine": about, "codes": arguments.codes, "calls": measured})
    print(results_table(measured), end="")
    if name_of_results == "interrupt":
        replace_generated_part(README, WRITER, results_table(measured))


def results_table(measured: Mapping[str, Any]) -> str:
    """Return all calls as a table of Markdown."""
    cells = []
    for name, found in measured.items():
        waits = str(Spread.of(found["seconds"])) if found["seconds"] else "too short to be interrupted"
        cells.append([name, f"{found['call_seconds']:.2f}", waits, str(len(found["seconds"]))])
    return table(["call", "takes, s", "from signal to KeyboardInterrupt, s", "times"], cells) + "\n"


if __name__ == "__main__":
    main()
