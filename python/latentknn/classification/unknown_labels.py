"""The label that stands for queries of no class that is known, beside the labels of the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.array_likes import is_missing
from latentknn.labels import as_labels, join_labels


def labels_with_unknown(classes: NDArray[Any], unknown: Any) -> NDArray[Any]:
    """Return the labels of classes and, last, the one that stands for none of them.

    Parameters
    ----------
    classes : ndarray of shape (C,)
        Labels.
    unknown : label
        The label that stands for no class.

    Returns
    -------
    ndarray of shape (C + 1,)
        Of the dtype of `classes` if that holds `unknown`, otherwise of one that holds all.

    Raises
    ------
    TypeError
        If `unknown` is a number among strings, or a string among numbers.
    ValueError
        If `unknown` is no single label, or no type holds all.
    """
    label = as_unknown(unknown, classes)
    if classes.dtype.kind == "O":
        joined = np.empty(len(classes) + 1, object)
        joined[:-1], joined[-1] = classes, unknown
        return joined
    # Not every number can be converted, and NumPy would warn of those that change.
    with np.errstate(all="ignore"):
        converted = label.astype(classes.dtype) if classes.dtype.kind in "iuf" else label
    same = converted.dtype == classes.dtype and converted.tolist() == label.tolist()
    if same:
        return np.append(classes, converted)
    if classes.dtype.kind == "u" and label.dtype.kind == "i" and classes.max() <= np.iinfo(np.int64).max:
        classes = classes.astype(np.int64)
    try:
        return join_labels(classes, label)
    except ValueError:
        raise ValueError(
            f"no type holds unknown={unknown!r} and the labels of the classes, of dtype {classes.dtype}; "
            "choose another label for what is unknown"
        ) from None


def as_unknown(unknown: Any, classes: NDArray[Any]) -> NDArray[Any]:
    """Return the label that stands for no class as an array of one, of its own dtype.

    Raises
    ------
    TypeError, ValueError
        See `labels_with_unknown`.
    """
    if np.ndim(unknown) != 0 or is_missing(unknown):
        raise ValueError(f"unknown must be a label, received {unknown!r}")
    label = as_labels([unknown], 1)
    check_same_kind(label, classes, "unknown")
    return label


def check_same_kind(labels: NDArray[Any], classes: NDArray[Any], name: str) -> None:
    """Raise TypeError if labels are strings and those of the classes numbers, or the other way round."""
    if len(labels) and is_text(labels) != is_text(classes):
        raise TypeError(
            f"{name} must be of the kind of the classes' labels, such as {classes.tolist()[0]!r}, received "
            f"{labels.tolist()[0]!r}"
        )


def is_text(labels: NDArray[Any]) -> bool:
    """Return whether labels are strings, as far as the first one tells."""
    return labels.dtype.kind == "U" or (labels.dtype.kind == "O" and isinstance(labels[0], str))


def known_rows(labels: NDArray[Any], classes: NDArray[Any], unknown: Any) -> NDArray[np.bool_]:
    """Return which labels are of a class that is known.

    Parameters
    ----------
    labels : ndarray of shape (M,)
        Labels of queries.
    classes : ndarray of shape (C,)
        Labels of the classes.
    unknown : label or None
        The only label that stands for no class; None where every label that is of no class does.

    Raises
    ------
    TypeError
        If labels are strings and those of the classes numbers, or the other way round.
    ValueError
        If `unknown` is a class, or a label is neither that of a class nor `unknown`.
    """
    check_same_kind(labels, classes, "labels")
    # Python compares integers of every type exactly; NumPy compares some as float64.
    names = set(classes.tolist())
    known: NDArray[np.bool_] = np.array([label in names for label in labels.tolist()], np.bool_)
    if unknown is None:
        return known
    label = as_unknown(unknown, classes)
    if label.tolist()[0] in names:
        raise ValueError(
            f"unknown is {unknown!r}, which is one of the classes: leave it out, so that labels of no class "
            "stand for unknown queries"
        )
    answer = label.tolist()[0]
    strange = ~known & np.array([each != answer for each in labels.tolist()], np.bool_)
    if strange.any():
        number = int(strange.argmax())
        raise ValueError(
            f"label {number} is {labels[number:].tolist()[0]!r}, which is neither one of the classes nor "
            f"unknown={unknown!r}"
        )
    return known
