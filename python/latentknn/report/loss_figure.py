"""A picture of the losses and metrics of every epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from latentknn.report.drawing import COLOURS, hide_frame, new_figure


def draw_losses(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw each quantity of a Keras history, training beside held-out images, over the epochs.

    A quantity that was measured on held-out images alone has one line.
    """
    quantities = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    quantities.sort(key=lambda name: name != "loss")
    columns = 1 if len(quantities) <= 2 else 2
    rows = -(-len(quantities) // columns)
    figure = new_figure(6.4 * columns, 3.6 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels[len(quantities) :]:
        axes.set_axis_off()
    last = max(map(len, history.values()), default=0)
    for axes, name in zip(panels, quantities, strict=False):
        lines = {"training images": name, "held-out images": f"val_{name}"}
        for (label, key), colour, marker in zip(lines.items(), COLOURS, "os", strict=False):
            if key in history:
                # A quantity that an older version did not measure begins where a newer one went on.
                epochs = range(last - len(history[key]) + 1, last + 1)
                axes.plot(epochs, history[key], color=colour, marker=marker, markersize=5, label=label)
        axes.set_xlim(0.75, last + 0.25)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="0.9")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
        hide_frame(axes, "top", "right")
    return figure
