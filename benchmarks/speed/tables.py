"""Writes the tables of benchmarks/README.md, between its markers, from the JSON files under results/.

python -m benchmarks.speed.tables
python -m benchmarks.speed.tables --results benchmarks/results/scaled     # prints instead
"""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from benchmarks.harness.command_line import parser
from benchmarks.harness.markdown import NOTHING, head, replace_generated_part, row, table
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.results import Record
from benchmarks.harness.timing import Spread, ratios
from benchmarks.speed import conditions, figures

README = ROOT / "benchmarks" / "README.md"
WRITER = "speed/tables.py"
LETTERS = "ABCDEFG"
# Tables of other processors, by their folder under results/.
OTHERS = {
    "avx512": """## With AVX-512

Some of the scenarios where latentknn and FAISS both take their AVX-512 kernels, without the other peers: A
and F by `python -m benchmarks.speed.search --peers FAISS --rounds 3 --results benchmarks/results/avx512`,
B with `--data principal`.
""",
    "zen4": """## On Zen 4, with FAISS at its best

Raw pixels of A, the principal components of B, and F, by `python -m benchmarks.speed.search --peers FAISS
--results benchmarks/results/zen4`, on a processor with AVX-512 and VNNI, which no kernel of latentknn used
at that time. Here, as in all that was measured afterwards, OpenBLAS is told which kernels to take
(`OPENBLAS_CORETYPE`, in `speed/peers.py`). By itself the one in FAISS's wheel takes those of Zen, and
searches 60,000 rows of 128 dimensions 1.5 times as slowly; on processors that it does not know at all it
takes those of Prescott, and is 3.3 times as slow.
""",
}

_WHAT = ["rows", "n", "d", "queries", "k"]
_SPEED = ["strategy", "seconds a call", "× FAISS", "floor", "goal", "reached", "× FAISS, one-shot"]
_COST = ["rows screened", "candidates a query", "GFLOP/s", "of fp32 peak", "of bandwidth"]
_INDEX = ["build, s", "FAISS's", "memory, MiB", "FAISS's"]


def speed_head(names: Iterable[str]) -> str:
    """Return the head of the table of `speed_row`, with those peers."""
    return head(_speed_columns(names))


def heading(letter: str, about: Record) -> str:
    """Name a scenario and what its lines were measured on."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"### {letter}: {about['title']}\n\n{warning([about])}{about['processor']}, "
        f"{', '.join(about['instruction sets'])}, {about['threads']} threads, {about['rounds']} rounds, "
        f"{about['date']}; {packages}; FAISS built for {about['faiss_build']}; {_blas(about)}"
        f"searching code {about['searching_code']}."
    )


def _blas(about: Record) -> str:
    kernels = about.get("blas", {})
    return "".join(f"BLAS of {package}: {kernel}; " for package, kernel in kernels.items())


def warning(abouts: Iterable[Record]) -> str:
    """Say so where anything was scaled down."""
    scales = [f"{about['scale']:g}" for about in abouts if about["scale"] != 1]
    return f"**A quick look at scale {', '.join(sorted(set(scales)))}, no measurement.** " if scales else ""


def speed_row(line: Record, names: Iterable[str]) -> str:
    """Say how long a line took and how much longer the others."""
    return row(_speed_cells(line, names))


def _speed_columns(names: Iterable[str]) -> list[str]:
    return [*_WHAT, *_SPEED, *(f"× {name}" for name in _others(names)), "fastest peer"]


def _speed_cells(line: Record, names: Iterable[str]) -> list[str]:
    over, one_shot, target = figures.speed_over(line, "FAISS"), line.get("one_shot_seconds"), line["target"]
    return [
        *_what(line),
        line["strategy"] + (" (forced)" if line["forced"] else ""),
        _seconds(figures.seconds_per_call(line)),
        str(over),
        *(
            [NOTHING] * 3
            if target is None
            else [f"{target['floor']:g}", f"{target['goal']:g}", conditions.reached(over.median, target)]
        ),
        NOTHING if one_shot is None else str(figures.one_shot_over_faiss(line)),
        *(_over_peer(line, name) for name in _others(names)),
        figures.fastest_peer(line),
    ]


def _cost_cells(line: Record, case: Record) -> list[str]:
    """Say what a line's speed comes from, and what the index costs."""
    seconds, memory = case["build_seconds"], case["memory_bytes"]
    return [
        *_what(line),
        f"{line['screened_per_query'] / line['rows']:.0%}",
        f"{line['candidates_per_query']:,.0f}",
        f"{figures.gigaflops(line):,.0f}",
        f"{figures.share_of_fp32_peak(line):.0%}",
        f"{figures.share_of_bandwidth(line):.0%}",
        *(f"{statistics.median(times):.3g}" for times in seconds.values()),
        *(f"{grown / 2**20:,.0f}" for grown in memory.values()),
    ]


def conditions_table(contents: dict[str, Record]) -> str:
    """Say what must be reached, and what was."""
    outcomes = conditions.outcomes({letter: content["lines"] for letter, content in contents.items()})
    return table(["condition", "worst line", "measured", "reached"], outcomes)


def all_tables(folder: Path) -> str:
    """Return every table that there are results for, as Markdown."""
    contents = {}
    for letter in LETTERS:
        path = folder / f"{letter}.json"
        if path.is_file():
            content = json.loads(path.read_text())
            if content["lines"]:
                contents[letter] = content
    if not contents:
        raise SystemExit(f"no results in {folder}; run python -m benchmarks.speed.search first")
    abouts = [content["about"] for content in contents.values()]
    parts = [f"### Floors and goals\n\n{warning(abouts)}".rstrip(), conditions_table(contents)]
    for letter, content in contents.items():
        lines = content["lines"].values()
        names = dict.fromkeys(name for line in lines for name in figures.peers_of(line))
        parts += [
            heading(letter, content["about"]),
            table(_speed_columns(names), (_speed_cells(line, names) for line in lines)),
            table(
                _WHAT + _COST + _INDEX,
                (_cost_cells(line, content["cases"][line["case"]]) for line in lines),
            ),
        ]
    approximate = folder / "approximate.json"
    if approximate.is_file():
        parts += approximate_tables(json.loads(approximate.read_text()))
    return "\n\n".join(parts) + "\n"


def approximate_tables(content: Record) -> list[str]:
    """Set approximate indexes beside exact search: what they find, and how long they take."""
    about, lines = content["about"], content["lines"]
    exact = {line["dim"]: line for line in lines if line["engine"] == "exact"}
    heading = (
        "### Approximate search\n\n"
        "60,000 codes of conv_ae, 10,000 queries, k = 10, by `speed/approximate.py`: "
        f"{about['processor']}, {about['threads']} threads, {about['rounds']} rounds, {about['date']}; "
        f"faiss-cpu {about['packages']['faiss-cpu']}. × exact: how many times longer exact search took."
    )
    rows = (
        [
            str(line["dim"]),
            line["engine"],
            f"{line['recall']:.4f}",
            _seconds(Spread.of(line["seconds"])),
            str(ratios(exact[line["dim"]]["seconds"], line["seconds"])),
            f"{line['build_seconds']:.3g}",
        ]
        for line in lines
    )
    return [heading, table(["d", "index", "recall@10", "seconds", "× exact", "build, s"], rows)]


def _others(names: Iterable[str]) -> list[str]:
    return [name for name in names if name != "FAISS"]


def _what(line: Record) -> list[str]:
    queries = f"{line['queries']:,}"
    if line["leave_one_out"]:
        queries = "all rows"
    elif line["calls"] > 1:
        queries = f"{line['calls']} calls of {queries}"
    return [line["data"], f"{line['rows']:,}", str(line["dim"]), queries, f"{line['k']:,}"]


def _over_peer(line: Record, name: str) -> str:
    if name not in line["seconds"]:
        return NOTHING
    over = str(figures.speed_over(line, name))
    given = line["queries_given"][name]
    if given < line["queries_given"]["latentknn"]:
        over += f"; {given:,} queries at {figures.queries_per_second(line, name):,.0f}/s"
    return over


def _seconds(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.low:.3g}–{spread.high:.3g})"


def page_tables() -> str:
    """Return what stands between the markers of benchmarks/README.md."""
    others = (f"\n{heading}\n{all_tables(RESULTS / folder)}" for folder, heading in OTHERS.items())
    return "\n" + all_tables(RESULTS) + "".join(others) + "\n"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--results", type=Path, help="print the tables of this folder and write nothing")
    folder = options.parse_args().results
    if folder is not None:
        print(all_tables(folder))
        return
    replace_generated_part(README, WRITER, page_tables())
    print(f"written: the tables of {README.parent.name}/{README.name}")


if __name__ == "__main__":
    main()
