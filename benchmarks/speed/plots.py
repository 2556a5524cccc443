"""Draws the README's two plots from the JSON files under results/.

python -m benchmarks.speed.plots                                   # into docs/
python -m benchmarks.speed.plots --results FOLDER --out FOLDER
"""

import json
import statistics
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from benchmarks.harness.command_line import parser
from benchmarks.harness.paths import DOCS, RESULTS
from benchmarks.harness.results import Record
from benchmarks.speed import figures
from latentknn.report.drawing import COLOURS, MARKERS, hide_frame, new_figure, save_figure


def draw_ratio_against_dimensions(codes: Record, pixels: Record) -> Figure:
    """Draw the speed over FAISS against d, a line a k; raw pixels are the end of the principal components."""
    panels = dict.fromkeys(line["data"] for line in codes["lines"].values())
    figure = new_figure(4.0 * len(panels), 4.0)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, data in zip(all_axes, panels, strict=True):
        lines = [line for line in codes["lines"].values() if line["data"] == data]
        title = data
        if data == "principal components":
            title = "principal components; 784: raw pixels"
            lines += [
                line
                for line in pixels["lines"].values()
                if line["data"] == "raw pixels" and not line["forced"]
            ]
        for k, colour, marker in zip(sorted({line["k"] for line in lines}), COLOURS, MARKERS, strict=False):
            points = sorted(
                (line["dim"], figures.speed_over(line, "FAISS")) for line in lines if line["k"] == k
            )
            dims, ratios = zip(*points, strict=True)
            medians = [ratio.median for ratio in ratios]
            spreads = [
                [ratio.median - ratio.low for ratio in ratios],
                [ratio.high - ratio.median for ratio in ratios],
            ]
            axes.errorbar(
                dims,
                medians,
                spreads,
                color=colour,
                marker=marker,
                markersize=5,
                capsize=2,
                label=f"k = {k:,}",
            )
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted({line["dim"] for line in lines})))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlabel("dimensions")
        axes.set_title(title, fontsize="medium")
        axes.grid(axis="y", color="0.9")
        hide_frame(axes, "top", "right")
    all_axes[0].set_ylabel("times as fast as FAISS")
    all_axes[-1].legend(frameon=False)
    figure.suptitle(_measured_on(codes, pixels), fontsize="small", color="0.4")
    return figure


def draw_time_against_rows(growth: Record) -> Figure:
    """Draw seconds of a search and of a build against n, both axes logarithmic."""
    lines = sorted(growth["lines"].values(), key=lambda line: int(line["rows"]))
    rows = [line["rows"] for line in lines]
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    for name, colour, marker in zip(("latentknn", "FAISS"), COLOURS, MARKERS, strict=False):
        searches = [statistics.median(line["seconds"][name]) / line["calls"] for line in lines]
        builds = [statistics.median(growth["cases"][line["case"]]["build_seconds"][name]) for line in lines]
        axes.plot(rows, searches, color=colour, marker=marker, label=f"{name}, search")
        axes.plot(
            rows, builds, color=colour, marker=marker, markersize=4, linestyle=":", label=f"{name}, build"
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows")
    axes.set_ylabel("seconds")
    axes.set_title(
        f"{lines[0]['queries']:,} queries, {lines[0]['dim']} dimensions, k = {lines[0]['k']}",
        fontsize="medium",
    )
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    hide_frame(axes, "top", "right")
    figure.suptitle(_measured_on(growth), fontsize="small", color="0.4")
    return figure


def _measured_on(*contents: Record) -> str:
    about = contents[0]["about"]
    text = f"{about['processor']}, {about['threads']} threads, FAISS {about['packages']['faiss-cpu']}"
    scales = {content["about"]["scale"] for content in contents}
    return text if scales == {1} else f"{text}: a quick look at scale {min(scales):g}, no measurement"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--results", type=Path, default=RESULTS)
    options.add_argument("--out", type=Path, default=DOCS)
    arguments = options.parse_args()
    contents = {}
    for letter in "ABG":
        path = arguments.results / f"{letter}.json"
        if not path.is_file():
            raise SystemExit(
                f"{path} is missing; run python -m benchmarks.speed.search --only {letter} first"
            )
        contents[letter] = json.loads(path.read_text())
    plots = {
        "speed-over-faiss.png": draw_ratio_against_dimensions(contents["B"], contents["A"]),
        "time-against-rows.png": draw_time_against_rows(contents["G"]),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, figure in plots.items():
        save_figure(figure, arguments.out / name)
        print(f"written: {name}")


if __name__ == "__main__":
    main()
