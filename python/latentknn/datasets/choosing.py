"""A few rows of every class, chosen at random."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.labels import as_labels


def choose_per_class(
    labels: ArrayLike, count: int, *, classes: ArrayLike | None = None, seed: int = 0
) -> NDArray[np.intp]:
    """Choose the same number of rows of every class at random, such as a small index to begin with.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Label of every row, numbers or strings.
    count : int
        Rows of a class, all different.
    classes : array-like of shape (C,), optional
        The classes to choose from, each once; by default all.
    seed : int
        Seed of the choice. What is chosen of a class depends on it and on the class's rows alone.

    Returns
    -------
    ndarray of shape (C * count,), intp
        Row numbers, those of a class together, in the order of `classes`; by default the classes ascend.

    Raises
    ------
    TypeError
        If labels cannot be sorted, such as numbers among strings.
    ValueError
        If `count` is below 1, `seed` is negative, a label is missing, `classes` is a single label, or a class
        has fewer rows, occurs twice or not at all.

    Examples
    --------
    >>> import latentknn as lk
    >>> labels = ["cat", "dog", "cat", "dog", "cat"]
    >>> rows = lk.datasets.choose_per_class(labels, 2)
    >>> [labels[row] for row in rows]
    ['cat', 'cat', 'dog', 'dog']
    >>> [labels[row] for row in lk.datasets.choose_per_class(labels, 3, classes=["cat"])]
    ['cat', 'cat', 'cat']
    """
    if not isinstance(count, numbers.Integral) or isinstance(count, bool) or count < 1:
        raise ValueError(f"count must be an integer of at least 1, received {count!r}")
    seed = as_seed(seed)
    chosen = []
    for name, rows in rows_of_classes(labels, classes):
        if len(rows) < count:
            raise ValueError(
                f"class {name!r} has {len(rows)} rows, fewer than count={count}: choose fewer, or leave it "
                "out of classes"
            )
        # The first row keeps classes of the same size from being chosen from at the same places.
        chosen.append(np.random.default_rng((seed, int(rows[0]))).permutation(rows)[:count])
    return np.concatenate([np.empty(0, np.intp), *chosen])


def as_seed(seed: object) -> int:
    """Return a seed, or raise ValueError for what is no integer of at least 0."""
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0, received {seed!r}")
    return int(seed)


def rows_of_classes(labels: ArrayLike, classes: ArrayLike | None) -> list[tuple[Any, NDArray[np.intp]]]:
    """Return the label and the rows, ascending, of each of the classes, or of all.

    Raises
    ------
    TypeError, ValueError
        As `choose_per_class`, for the labels and the classes.
    """
    known = as_labels(labels, _length(labels, "labels"))
    names, numbers_of_rows = np.unique(known, return_inverse=True)
    in_order = np.argsort(numbers_of_rows, kind="stable")
    ends = np.cumsum(np.bincount(numbers_of_rows, minlength=len(names)))
    by_class = dict(zip(names.tolist(), np.split(in_order, ends[:-1]), strict=False))
    if classes is None:
        return list(by_class.items())
    chosen: dict[Any, NDArray[np.intp]] = {}
    for name in as_labels(classes, _length(classes, "classes")).tolist():
        if name not in by_class:
            raise ValueError(f"class {name!r} has no rows")
        if name in chosen:
            raise ValueError(f"class {name!r} occurs twice in classes")
        chosen[name] = by_class[name]
    return list(chosen.items())


def _length(values: ArrayLike, name: str) -> int:
    shape = np.shape(values)
    if not shape:
        raise ValueError(f"{name} must be a list or an array of labels, received the single {values!r}")
    return int(shape[0])
