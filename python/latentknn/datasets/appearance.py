"""What a notebook shows of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentknn.notebook.pictures import picture_strip
from latentknn.notebook.tables import facts_table, rows_table, together

if TYPE_CHECKING:
    from latentknn.datasets.dataset import Dataset, LabelledItems

_CLASSES_SHOWN = 20
_ITEMS_SHOWN = 8


def dataset_html(dataset: Dataset | LabelledItems) -> str:
    """Return how many items there are of each class, with a few of them as pictures or texts."""
    unit = dataset.unit
    facts = {
        f"training {unit}": f"{len(dataset.train_items):,}",
        f"test {unit}": f"{len(dataset.test_items):,}",
        "shape": " × ".join(map(str, dataset.train_items.shape[1:])) or "one value",
        "type": dataset.train_items.dtype,
        "classes": f"{len(dataset.class_names):,}",
    }
    shown = range(min(len(dataset.class_names), _CLASSES_SHOWN))
    counts = [
        np.bincount(labels, minlength=len(dataset.class_names))
        for labels in (dataset.train_labels, dataset.test_labels)
    ]
    examples = [_examples(dataset, number) for number in shown]
    with_examples = any(examples)
    rows: list[list[object]] = [
        [dataset.class_names[number], *(f"{count[number]:,}" for count in counts)] for number in shown
    ]
    if with_examples:
        rows = [[*row, example] for row, example in zip(rows, examples, strict=True)]
    more = len(dataset.class_names) - len(shown)
    columns = ["class", "training", "test", *(["some of them"] if with_examples else [])]
    left_out = f"… and {more:,} more classes" if more > 0 else ""
    return together(facts_table(dataset.name, facts), rows_table("", columns, rows, left_out=left_out))


def _examples(dataset: Dataset | LabelledItems, number: int) -> str:
    """Return the first training items of a class; "" for items that are neither images nor texts."""
    first = np.flatnonzero(dataset.train_labels == number)[:_ITEMS_SHOWN]
    items = dataset.train_items
    if items.dtype == np.uint8:
        return picture_strip(items[first], f"training images of class {dataset.class_names[number]}") or ""
    if items.dtype.kind == "U" and items.ndim == 1:
        return "; ".join(items[first].tolist())
    return ""
