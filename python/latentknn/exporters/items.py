"""The items of an evaluation as CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.evaluation import CodeEvaluation


def write_items(evaluation: CodeEvaluation, path: str | os.PathLike[str]) -> None:
    """Write a line for each item: what it is, what it was taken for, and its nearest codes.

    Parameters
    ----------
    evaluation : CodeEvaluation
        The evaluation.
    path : path
        The CSV file, UTF-8 with a header. ``right`` is 1 or 0; ``neighbours``, ``neighbour_labels`` and
        ``similarities`` hold the nearest codes, best first, separated by ``|``.

    Raises
    ------
    OSError
        If the file cannot be written; then nothing is.

    Examples
    --------
    >>> import os, tempfile
    >>> import latentknn as lk
    >>> codes, labels = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ["east", "east", "north"]
    >>> evaluation = lk.evaluation.evaluate(codes, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "items.csv")
    ...     lk.exporters.write_items(evaluation, path)
    ...     with open(path) as file:
    ...         len(file.readlines())
    4
    """
    items = evaluation.items
    columns: dict[str, Iterable[Any]] = {
        "item": range(len(items)),
        "label": _named(evaluation, items.classes),
        "predicted": _named(evaluation, items.predictions),
        "right": (items.classes == items.predictions).astype(int).tolist(),
        "share": items.shares.tolist(),
        "nearest": _named(evaluation, items.nearest),
        "suspicion": items.suspicions.tolist(),
        "distance": items.distances.tolist(),
        "neighbours": _joined(items.neighbours.tolist()),
        "neighbour_labels": _joined(_named(evaluation, row) for row in items.neighbour_classes),
        "similarities": _joined(items.similarities.tolist()),
    }
    with atomic_file(Path(path)) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _named(evaluation: CodeEvaluation, classes: NDArray[np.int64]) -> list[str]:
    return [evaluation.class_names[number] for number in classes.tolist()]


def _joined(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    return ("|".join(map(str, row)) for row in rows)
