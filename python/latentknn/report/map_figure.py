"""A picture of codes as points in the plane."""

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentknn.report.drawing import COLOURS, MARKERS, MOST_CLASSES_NAMED, new_figure


def draw_code_map(
    positions: NDArray[np.float32], labels: NDArray[np.integer[Any]], class_names: tuple[str, ...]
) -> Figure:
    """Draw codes as points; colour and marker show the class, whose name is drawn where it is densest.

    With up to 25 classes there is a legend too.

    Parameters
    ----------
    positions : ndarray of float32, shape (n, 2)
        Positions from `latentknn.evaluation.project`.
    labels : ndarray of shape (n,), integer
        Class of every code.
    class_names : tuple of str
        The names of the classes.
    """
    figure = new_figure(9.4, 7.4)
    axes = figure.add_subplot()
    for label in np.unique(labels):
        points = positions[labels == label]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=16,
            color=COLOURS[label % len(COLOURS)],
            # Markers shift by one whenever the colours repeat, so that no pair of both repeats soon.
            marker=MARKERS[(label + label // len(COLOURS)) % len(MARKERS)],
            label=class_names[label],
            linewidths=0,
            alpha=0.75,
        )
    for label in np.unique(labels):
        x, y = _densest_point(positions[labels == label])
        name = axes.text(x, y, class_names[label], ha="center", va="center", fontsize=11, fontweight="bold")
        name.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    axes.set_xticks([])
    axes.set_yticks([])
    if len(class_names) <= MOST_CLASSES_NAMED:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=2)
    return figure


def _densest_point(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the point with the smallest circle around it that holds a quarter of all points."""
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    radii = np.sort(distances, axis=1)[:, len(points) // 4]
    densest: NDArray[np.float32] = points[radii.argmin()]
    return densest
