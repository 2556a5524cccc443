"""The files of a comparison."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from latentknn.atomic_file import atomic_file
from latentknn.evaluation import ComparedRuns


def write_comparison(compared: ComparedRuns, folder: Path) -> None:
    """Write a comparison as tables and as JSON, and curves over seeds where there are any.

    Parameters
    ----------
    compared : ComparedRuns
        The comparison.
    folder : Path
        The folder, which is made if it does not exist. ``items.csv`` has a line for each item with the
        prediction of every run, ``curves.csv`` and ``curves.png`` have the losses and metrics over seeds, and
        ``comparison.json`` everything.

    Raises
    ------
    ModuleNotFoundError
        If there are curves and Matplotlib is missing; nothing is written then.
    """
    if compared.curves:
        from latentknn.report.curve_figure import draw_curves
        from latentknn.report.drawing import save_figure

        figure = draw_curves(compared)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("items.csv", "curves.csv", "curves.png", "comparison.json"):
        (folder / name).unlink(missing_ok=True)
    runs = compared.runs
    header = ("item", "label", "runs that are right", *(run.name for run in runs))
    right = zip(*(run.right for run in runs), strict=True)
    predictions = zip(*(run.predictions for run in runs), strict=True)
    rows = zip(runs[0].labels, right, predictions, strict=True)
    _write_table(
        folder / "items.csv",
        header,
        ((item, label, sum(flags), *predicted) for item, (label, flags, predicted) in enumerate(rows)),
    )
    if compared.curves:
        _write_table(
            folder / "curves.csv",
            ("quantity", "epoch", "mean", "lowest", "highest", "runs"),
            (
                (point.quantity, point.epoch, point.mean, point.lowest, point.highest, "|".join(point.runs))
                for point in compared.curves
            ),
        )
        save_figure(figure, folder / "curves.png")
    # This file is written last, so that a folder that has it is whole.
    with atomic_file(folder / "comparison.json") as unfinished:
        unfinished.write_text(compared.to_json() + "\n", encoding="utf-8")


def _write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
