"""A picture of losses and metrics over the seeds of runs."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latentknn.evaluation import ComparedRuns
from latentknn.report.drawing import COLOURS, hide_frame, new_figure


def draw_curves(compared: ComparedRuns) -> Figure:
    """Draw each quantity over the epochs: the mean of runs that differ by their seeds, and their range.

    Parameters
    ----------
    compared : ComparedRuns
        A comparison with curves.
    """
    quantities = list(dict.fromkeys(point.quantity for point in compared.curves))
    figure = new_figure(6.4, 3.6 * len(quantities))
    panels = figure.subplots(len(quantities), 1, squeeze=False).flat
    for axes, quantity in zip(panels, quantities, strict=True):
        for number, seeds in enumerate(compared.seeds):
            points = [
                point
                for point in compared.curves
                if point.quantity == quantity and set(point.runs) <= set(seeds.runs)
            ]
            epochs = [point.epoch for point in points]
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(
                epochs,
                [point.mean for point in points],
                color=colour,
                marker="o",
                markersize=5,
                label=f"{len(seeds.runs)} seeds of {seeds.runs[0]}",
            )
            axes.fill_between(
                epochs,
                [point.lowest for point in points],
                [point.highest for point in points],
                color=colour,
                alpha=0.25,
                linewidth=0,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="0.9")
        axes.legend(frameon=False, fontsize="small")
        hide_frame(axes, "top", "right")
    return figure
