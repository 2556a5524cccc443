"""The writing of a page of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import ArrayLike

from latentknn.atomic_file import atomic_file
from latentknn.evaluation import CodeEvaluation, Stopwatch
from latentknn.pages.code_map import make_map
from latentknn.pages.curves import calibration_figure, vote_curve, vote_figure
from latentknn.pages.findings import Findings, known_code_classes
from latentknn.pages.looks import Looks, Sources, checked_sources
from latentknn.pages.placing import PlacedItems, place_items
from latentknn.pages.rebuilt import MOST_SAMPLES, Reconstructions

_SECTIONS = {
    "summary": "What the codes are worth",
    "map": "Map",
    "pairs": "Confused pairs",
    "errors": "Errors and their neighbours",
    "labels": "Suspected label errors",
    "duplicates": "Near-duplicates",
    "hubs": "Hubs",
    "outliers": "Outliers",
    "reconstructions": "Reconstructions",
    "samples": "Generated images",
    "vote": "Neighbours that vote",
    "calibration": "Calibration",
    "classes": "Classes",
    "confusion": "Confusion matrix",
}
"""Headings of the sections, by the names of their templates."""

_MOST_CLASSES = 50
"""Classes up to which the page has a confusion matrix."""


def write_page(
    evaluation: CodeEvaluation,
    path: str | os.PathLike[str],
    *,
    codes: ArrayLike | None = None,
    pictures: ArrayLike | None = None,
    neighbour_pictures: ArrayLike | None = None,
    texts: Sequence[str] | None = None,
    neighbour_texts: Sequence[str] | None = None,
    reconstructions: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    title: str | None = None,
    seed: int = 0,
    stopwatch: Stopwatch | None = None,
) -> None:
    """Write a page of an evaluation: one HTML file, which loads nothing and can be mailed.

    Parameters
    ----------
    evaluation : CodeEvaluation
        The evaluation.
    path : path
        The HTML file; its folder must exist. An older file there is replaced.
    codes : array-like of shape (M, d), optional
        Codes of the M items, for the map: the test codes, if the evaluation has test items. Without them, and
        of fewer than three items, the page has no map.
    pictures : array-like of shape (M, h, w) or (M, h, w, c), optional
        Pictures of the M items, of 1, 3 or 4 channels: whole numbers from 0 to 255, floats from 0 to 1, or
        truth values. A memory-mapped array is read as far as it is shown.
    neighbour_pictures : array-like of shape (n, h, w) or (n, h, w, c), optional
        Pictures of the n codes, if the evaluation has test items; otherwise the items are the codes. Those
        of items and codes must have the same number of channels.
    texts : sequence of M str, optional
        Texts of the items, where they are no pictures; they are shortened to 160 characters.
    neighbour_texts : sequence of n str, optional
        Texts of the n codes, if the evaluation has test items.
    reconstructions : array-like of the shape of `pictures`, optional
        What a decoder makes of the items' codes. The page shows them beside the pictures, one of each class
        and those that differ the most.
    samples : array-like of shape (s, h, w) or (s, h, w, c), optional
        Images that a model generated; the first 64 are shown.
    title : str, optional
        Title of the page.
    seed : int
        Seed of the map.
    stopwatch : Stopwatch, optional
        Measures the stages, and may show their progress.

    Raises
    ------
    TypeError
        If codes or pictures are no numbers, or texts no strings.
    ValueError
        If the number of codes, pictures or texts, their shape or a pixel is wrong, both pictures and texts
        are given, those of neighbours although the items are the codes, or reconstructions that are not of
        the pictures' shape. Nothing is written then.
    OSError
        If the file cannot be written; then an older one stays as it was.

    Notes
    -----
    The map has at most 10,000 items, chosen at random where there are more, and is placed on one thread:
    where UMAP is installed (the extra ``umap``) by UMAP from the exact neighbours of the items, otherwise by
    t-SNE (`latentknn.evaluation.project`), which takes minutes for so many.

    A page has at most 20,000 pictures or texts; further neighbours are named by their positions. Small
    pictures stay as they are, sides of more than 64 pixels are reduced, and many pictures are stored as JPEG.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> from latentknn.pages import write_page
    >>> digits = lk.datasets.load("digits")
    >>> images, labels = digits.test_images, digits.test_labels
    >>> result = lk.evaluation.evaluate(images.reshape(len(images), -1), labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_page(result, f"{folder}/page.html", pictures=images)  # codes= adds the map
    """
    leave_one_out = evaluation.protocol == "leave-one-out"
    sources = checked_sources(
        len(evaluation.items),
        None if leave_one_out else evaluation.codes,
        pictures=pictures,
        neighbour_pictures=neighbour_pictures,
        texts=texts,
        neighbour_texts=neighbour_texts,
        reconstructions=reconstructions,
        samples=samples,
    )
    classes = [evaluation.class_names[number] for number in evaluation.items.classes.tolist()]
    looks = Looks(sources, classes, known_code_classes(evaluation), leave_one_out)
    stopwatch = stopwatch or Stopwatch()
    with stopwatch.measure("place items", len(evaluation.items), "items"):
        placed = None if codes is None else place_items(codes, len(evaluation.items), seed)
    with stopwatch.measure("draw page", len(evaluation.items), "items"):
        values = _values(
            evaluation, placed, sources, looks, title or f"Evaluation of {evaluation.codes:,} codes"
        )
        page = _environment().get_template("page.html").render(values, sheet=looks.sheet())
        with atomic_file(Path(path)) as unfinished:
            unfinished.write_text(page, encoding="utf-8")


def _values(
    evaluation: CodeEvaluation, placed: PlacedItems | None, sources: Sources, looks: Looks, title: str
) -> dict[str, Any]:
    """Return what the templates show."""
    # A page has a limited number of looks; the map takes what the findings leave.
    findings = Findings.of(evaluation, looks)
    rebuilt = None
    if sources.reconstructions is not None:
        pictures = np.asanyarray(sources.items)
        rebuilt = Reconstructions.of(pictures, sources.reconstructions, evaluation.items.classes, looks)
    generated = () if sources.samples is None else range(min(len(sources.samples), MOST_SAMPLES))
    samples = [looks.sample(number) for number in generated]
    code_map = None if placed is None else make_map(evaluation, placed, looks)
    curve = vote_curve(evaluation)
    few = len(evaluation.class_names) <= _MOST_CLASSES
    missing = {
        name
        for name, there in (("map", code_map), ("reconstructions", rebuilt), ("samples", samples))
        if not there
    }
    return {
        "title": title,
        "sections": [each for each in _SECTIONS.items() if each[0] not in missing],
        "evaluation": evaluation,
        "findings": findings,
        "map": code_map,
        "rebuilt": rebuilt,
        "samples": samples,
        "most_classes": _MOST_CLASSES,
        "confusion": evaluation.classification.confusion_matrix().tolist() if few else None,
        "curve": curve,
        "figures": {
            **({} if code_map is None else {"map-figure": code_map.figure}),
            "vote-figure": vote_figure(curve),
            "calibration-figure": calibration_figure(evaluation.calibration),
        },
        "bokeh": _bokeh(),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("latentknn.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The parts of a figure refer to others that stand before them.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters["fixed"] = lambda value, digits=4: f"{value:.{digits}f}"
    environment.filters["grouped"] = lambda value: f"{value:,}"
    return environment


def _bokeh() -> Markup:
    """Return Bokeh's own scripts, to stand in the page."""
    resources = Resources(mode="inline", components=["bokeh", "bokeh-gl"], log_level="error")
    return Markup(resources.render_js())  # no text of a user is in it
