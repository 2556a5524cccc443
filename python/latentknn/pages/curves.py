"""The line charts of a page: accuracy over the neighbours that vote, and calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bokeh.embed import json_item
from bokeh.models import HoverTool
from bokeh.plotting import figure

from latentknn.classification import Vote
from latentknn.evaluation import Accuracy, CodeEvaluation, Neighbours
from latentknn.evaluation.measures import Calibration

LINE = "#3987c9"
"""A blue that can be seen on white and on black."""

_MOST_NEIGHBOURS = 50


def vote_curve(evaluation: CodeEvaluation) -> list[tuple[int, Accuracy]]:
    """Return the accuracy of votes of 1, 2, … neighbours, as many as the evaluation has as evidence.

    The weights are those of the evaluation's vote.
    """
    items = evaluation.items
    found = Neighbours(items.similarities, items.neighbour_classes, len(evaluation.class_names))
    curve = []
    for k in range(1, min(items.neighbours.shape[1], _MOST_NEIGHBOURS) + 1):
        vote: Vote = replace(evaluation.vote, k=k)
        right = found.predict(vote) == items.classes
        curve.append((k, Accuracy(int(right.sum()), len(items))))
    return curve


def vote_figure(curve: list[tuple[int, Accuracy]]) -> dict[str, Any]:
    """Return the drawing of a vote's curve with its intervals, as Bokeh's JSON."""
    plot = new_figure(280, x_axis_label="neighbours that vote", y_axis_label="accuracy")
    intervals = [accuracy.interval() for _, accuracy in curve]
    data = {
        "k": [k for k, _ in curve],
        "accuracy": [accuracy.value for _, accuracy in curve],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
    }
    plot.varea("k", "low", "high", source=data, color=LINE, alpha=0.2)
    plot.line("k", "accuracy", source=data, color=LINE, width=2)
    points = plot.scatter("k", "accuracy", source=data, color=LINE, size=8)
    _add_hover(plot, points, [("k", "@k"), ("accuracy", "@accuracy{0.0000}")])
    return as_json(plot, "vote")


def calibration_figure(calibration: Calibration) -> dict[str, Any]:
    """Return the drawing of a reliability curve with its intervals, as Bokeh's JSON."""
    plot = new_figure(
        320,
        x_axis_label="share of the predicted class in the vote",
        y_axis_label="accuracy",
        x_range=(0, 1.02),
        y_range=(0, 1.02),
    )
    plot.line([0, 1], [0, 1], color="#888888", dash="dashed")
    intervals = [each.accuracy.interval() for each in calibration.bins]
    data = {
        "share": [each.mean_share for each in calibration.bins],
        "accuracy": [each.accuracy.value for each in calibration.bins],
        "items": [each.accuracy.total for each in calibration.bins],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
    }
    plot.segment("share", "low", "share", "high", source=data, color=LINE, width=2, alpha=0.5)
    plot.line("share", "accuracy", source=data, color=LINE, width=2)
    points = plot.scatter("share", "accuracy", source=data, color=LINE, size=8)
    tips = [("share", "@share{0.000}"), ("accuracy", "@accuracy{0.0000}"), ("items", "@items{0,0}")]
    _add_hover(plot, points, tips)
    return as_json(plot, "calibration")


def new_figure(height: int, **options: Any) -> Any:
    """Return an empty figure as wide as the page, through which the page's background is seen."""
    options = {"tools": "", "toolbar_location": None, **options}
    plot = figure(height=height, sizing_mode="stretch_width", **options)
    plot.toolbar.logo = None  # it is a link to Bokeh's site
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.outline_line_color = None
    return plot


def as_json(plot: Any, name: str) -> dict[str, Any]:
    """Return a figure as Bokeh's JSON, in which the parts have the same ids whenever it is drawn."""
    ids: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            key: ids.setdefault(each, f"{name}-{len(ids)}")
            if key in ("id", "root_id") and isinstance(each, str)
            else renamed(each)
            for key, each in value.items()
        }

    return dict(renamed(json_item(plot)))


def _add_hover(plot: Any, points: Any, tips: list[tuple[str, str]]) -> None:
    plot.add_tools(HoverTool(tooltips=tips, renderers=[points]))
