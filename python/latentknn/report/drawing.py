"""Colours, figures and saving for all pictures, by Matplotlib without its global state."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Colours that people with a colour vision deficiency can tell apart.

Source: M. A. Petroff, "Accessible Color Sequences for Data Visualization", 2021.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")

MOST_CLASSES_NAMED = 25
"""Most classes for which a picture has a legend or counts."""

_DOTS_PER_INCH = 130


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, `width` by `height` inches, that draws without a display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def hide_frame(axes: Axes, *sides: str) -> None:
    """Hide sides of the frame: "left", "right", "top", "bottom"."""
    for side in sides:
        axes.spines[side].set_visible(False)
