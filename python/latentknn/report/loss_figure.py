"""Losses and metrics of every epoch as a picture."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latentknn.report.drawing import COLOURS, hide_frame, new_figure


def draw_losses(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw each quantity of a Keras history, training beside held-out images, over the epochs."""
    quantities = [name for name in history if not name.startswith("val_")]
    figure = new_figure(6.4, 3.6 * len(quantities))
    panels = figure.subplots(len(quantities), 1, squeeze=False)[:, 0]
    for axes, name in zip(panels, quantities, strict=True):
        lines = {"training images": name, "held-out images": f"val_{name}"}
        for (label, key), colour, marker in zip(lines.items(), COLOURS, "os", strict=False):
            if key in history:
                epochs = range(1, len(history[key]) + 1)
                axes.plot(epochs, history[key], color=colour, marker=marker, markersize=5, label=label)
        axes.set_xlim(0.75, len(history[name]) + 0.25)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="0.9")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
        hide_frame(axes, "top", "right")
    return figure
