"""The map of a page: items as points in the plane, with what a reader sees on pointing at one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, HoverTool, LinearColorMapper
from bokeh.palettes import Category10_10, Category20_20
from numpy.typing import NDArray

from latentknn.evaluation import CodeEvaluation
from latentknn.pages.curves import as_json, new_figure
from latentknn.pages.findings import NEIGHBOURS
from latentknn.pages.looks import Looks
from latentknn.pages.placing import PlacedItems
from latentknn.pages.sheet import COLUMNS


@dataclass(frozen=True)
class CodeMap:
    """The map of items.

    Attributes
    ----------
    figure : dict
        The drawing, as Bokeh's JSON.
    data : dict
        What is known of each point, in the order of the points, for the script of the page.
    colours : list of str
        The colour of each class.
    method : str
        How the points were placed.
    shown : int
        Number of points.
    """

    figure: dict[str, Any]
    data: dict[str, Any]
    colours: list[str]
    method: str
    shown: int


def make_map(evaluation: CodeEvaluation, placed: PlacedItems, looks: Looks) -> CodeMap:
    """Draw placed items, those that are wrong on top of the others."""
    items = evaluation.items
    wrong = items.predictions[placed.items] != items.classes[placed.items]
    order = np.argsort(wrong, kind="stable")
    shown, places = placed.items[order], placed.places[order]
    colours = class_colours(len(evaluation.class_names))
    figure = _figure(places, items.classes[shown], wrong[order], colours)
    return CodeMap(figure, _data(evaluation, shown, looks), colours, placed.method, len(shown))


def class_colours(count: int) -> list[str]:
    """Return a colour for each of some classes; those of more than twenty repeat."""
    palette = Category10_10 if count <= len(Category10_10) else Category20_20
    return [palette[number % len(palette)] for number in range(count)]


def _figure(
    places: NDArray[np.float32], classes: NDArray[np.int64], wrong: NDArray[np.bool_], colours: list[str]
) -> dict[str, Any]:
    plot = new_figure(
        560,
        tools="pan,wheel_zoom,box_zoom,reset,tap,hover",
        toolbar_location="above",
        active_drag="box_zoom",
        output_backend="webgl",
    )
    plot.axis.visible = False
    plot.grid.visible = False
    plot.select_one(HoverTool).tooltips = None  # the script of the page shows more than they can
    source = ColumnDataSource(
        {
            "x": places[:, 0],
            "y": places[:, 1],
            "class": classes.astype(np.int32),
            "size": np.where(wrong, 8, 5).astype(np.float32),
            "line": np.where(wrong, 1, 0).astype(np.float32),
            "marker": np.where(wrong, "diamond", "circle").tolist(),
        },
        name="map-points",
    )
    mapper = LinearColorMapper(palette=colours, low=-0.5, high=len(colours) - 0.5)
    points = plot.scatter(
        "x",
        "y",
        source=source,
        view=CDSView(filter=BooleanFilter(name="map-filter")),
        marker="marker",
        size="size",
        fill_color={"field": "class", "transform": mapper},
        fill_alpha=0.8,
        line_width="line",
        line_color="#000000",
        name="map-glyphs",
    )
    # Pointing at an item or choosing one changes no other.
    points.nonselection_glyph = None
    points.selection_glyph = None
    return as_json(plot, "map")


def _data(evaluation: CodeEvaluation, shown: NDArray[np.intp], looks: Looks) -> dict[str, Any]:
    items = evaluation.items
    codes = items.neighbours[shown, :NEIGHBOURS]
    seen = [looks.item(item).number for item in shown.tolist()]
    return {
        "classes": evaluation.class_names,
        "columns": COLUMNS,
        "codes": "item" if evaluation.protocol == "leave-one-out" else "code",
        "items": shown.tolist(),
        "truth": items.classes[shown].tolist(),
        "predicted": items.predictions[shown].tolist(),
        "shares": np.round(items.shares[shown], 4).tolist(),
        "looks": seen,
        "neighbours": codes.tolist(),
        "neighbourClasses": items.neighbour_classes[shown, :NEIGHBOURS].tolist(),
        "similarities": np.round(items.similarities[shown, :NEIGHBOURS], 4).tolist(),
        "neighbourLooks": _neighbour_looks(codes, looks),
        "texts": looks.texts(),
    }


def _neighbour_looks(codes: NDArray[np.int64], looks: Looks) -> list[list[int | None]]:
    """Return the numbers of the codes' looks.

    A page has a limited number of looks: those of the wrong items' neighbours, which stand last, come first,
    then the nearest codes of the others.
    """
    for column in range(codes.shape[1]):
        for code in reversed(codes[:, column].tolist()):
            looks.code(code)
    return [[looks.code(code).number for code in row] for row in codes.tolist()]
