"""Items with labels of any kind become a data set with class numbers, split into training and test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.dataset import Dataset, LabelledItems
from latentknn.labels import as_labels
from latentknn.stratifying import choose_evenly

TEST_SHARE = 0.2
"""Share of the items that are for testing where nobody says which."""


@dataclass(frozen=True, eq=False)
class Part:
    """Items and their labels, from one source.

    Parameters
    ----------
    items : ndarray of shape (N, ...)
        Images, codes or texts.
    labels : array-like of shape (N,)
        Strings or numbers, one for every item.
    origin : str
        Name of the source for messages.
    """

    items: NDArray[Any]
    labels: Any
    origin: str

    def checked_labels(self) -> NDArray[Any]:
        """Return the labels as an array.

        Raises
        ------
        TypeError, ValueError
            If a label is missing or cannot be sorted, or there is not one for every item; the message names
            the source.
        """
        if len(self.items) == 0:
            raise ValueError(f"{self.origin} holds no items")
        try:
            return as_labels(self.labels, len(self.items))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self.origin}: {error}") from error


def make_dataset(
    name: str,
    train: Part,
    test: Part | None,
    *,
    unit: str,
    test_share: float,
    seed: int,
) -> Dataset | LabelledItems:
    """Return items as a data set: a ``Dataset`` of images where the unit is "images".

    Parameters
    ----------
    name : str
        Name for reports.
    train, test : Part
        Items to train and to test on; without the second, some of the first are for testing.
    unit : str
        Name of the items, in the plural.
    test_share : float
        Share of the items of every class that are for testing if there is no part of them, between 0 and 1.
    seed : int
        Seed of that choice.

    Raises
    ------
    TypeError, ValueError
        If labels are wrong, or a class has test items and no training items; if a class has a single item,
        which cannot be on both sides.
    """
    labels = train.checked_labels()
    test_labels = None if test is None else test.checked_labels()
    if test is not None and test_labels is not None and _are_texts(labels) != _are_texts(test_labels):
        raise TypeError(
            f"{train.origin} has labels of dtype {labels.dtype}, but {test.origin} of {test_labels.dtype}; "
            "labels must be all strings or all numbers"
        )
    everything = labels if test_labels is None else np.concatenate([labels, test_labels])
    values, numbers = np.unique(everything, return_inverse=True)
    names = tuple(str(value) for value in values)
    numbers = numbers.astype(np.int64)
    train_numbers, test_numbers = numbers[: len(labels)], numbers[len(labels) :]
    if test is None:
        kept, chosen = _split(train_numbers, names, train.origin, test_share, seed)
        train_items, test_items = train.items[kept], train.items[chosen]
        train_numbers, test_numbers = train_numbers[kept], train_numbers[chosen]
    else:
        train_items, test_items = train.items, test.items
        _refuse_untrained(train_numbers, test_numbers, names, train.origin, test.origin)
    if unit == "images":
        return Dataset(name, train_items, train_numbers, test_items, test_numbers, names)
    return LabelledItems(name, train_items, train_numbers, test_items, test_numbers, names, unit)


def _split(
    numbers: NDArray[np.int64], names: tuple[str, ...], origin: str, test_share: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows to train on and the rows to test on; each class has at least one of either."""
    if not 0 < test_share < 1:
        raise ValueError(f"received test_share {test_share}, expected a number between 0 and 1")
    counts = np.bincount(numbers, minlength=len(names))
    single = [names[number] for number in np.flatnonzero(counts == 1)]
    if single:
        raise ValueError(
            f"{origin} has a single item of {_listed(single)}, which cannot be in both the training set "
            "and the test set; add some, leave the class out, or name the test set yourself"
        )
    chosen = []
    for number in np.flatnonzero(counts):
        rows = np.flatnonzero(numbers == number)
        count = min(max(1, round(test_share * len(rows))), len(rows) - 1)
        chosen.append(rows[choose_evenly(np.zeros(len(rows), np.int64), count, seed + int(number))])
    test_rows = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(numbers)), test_rows), test_rows


def _refuse_untrained(
    train: NDArray[np.int64], test: NDArray[np.int64], names: tuple[str, ...], origin: str, test_origin: str
) -> None:
    absent = np.setdiff1d(test, train)
    if len(absent) > 0:
        raise ValueError(
            f"{test_origin} has items of {_listed([names[number] for number in absent])}, but {origin} has "
            "none: nothing could classify them right"
        )


def _are_texts(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind == "U"


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"class {shown}" if len(names) == 1 else f"{len(names)} classes, such as {shown}"
