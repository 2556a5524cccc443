"""Arrays in memory or in .npy files, with labels of any kind."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.array_likes import as_matrix
from latentknn.datasets.dataset import Dataset, LabelledItems
from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.splitting import TEST_SHARE, Part, make_dataset


def from_arrays(
    items: Any,
    labels: Any,
    test_items: Any = None,
    test_labels: Any = None,
    *,
    test_share: float = TEST_SHARE,
    seed: int = 0,
    name: str = "arrays",
    unit: str | None = None,
) -> Dataset | LabelledItems:
    """Make a data set of arrays, or of .npy files, which are mapped into memory.

    Parameters
    ----------
    items, test_items : array-like of shape (N, ...), or path of an .npy file
        Images of uint8, shape (N, H, W) or (N, H, W, C); codes, shape (N, d); texts, shape (N,); or what else
        an encoder takes. Without `test_items` a share of the items is for testing.
    labels, test_labels : array-like of shape (N,), or path of an .npy file
        Classes: integers or strings.
    test_share : float
        Share of the items of every class that are for testing, where there are no `test_items`. Of a mapped
        file both parts are then copied into memory.
    seed : int
        Seed of that choice.
    name : str
        Name for reports.
    unit : str, optional
        Name of the items for reports, in the plural; by default "images", "texts", "codes" or "items", by
        what they are.

    Returns
    -------
    Dataset or LabelledItems
        A ``Dataset`` of images of uint8; ``LabelledItems`` of all others. Classes are numbered in the order
        of their labels, without gaps.

    Raises
    ------
    DatasetNotFoundError, DatasetCorruptError
        If a file is not there, or no .npy file; the message names it.
    TypeError, ValueError
        If items or labels are no arrays, their lengths differ, a class has a single item, or a class of the
        test set has none to train on.

    Examples
    --------
    >>> from latentknn.datasets import from_arrays
    >>> codes = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]]
    >>> from_arrays(codes, ["right", "right", "up", "up"], test_share=0.5)
    LabelledItems('arrays', 2 training and 2 test codes of shape (2,), 2 classes)
    """
    if (test_items is None) != (test_labels is None):
        raise ValueError("received only one of test_items and test_labels; pass both or neither")
    train = _part(items, labels, "the items")
    test = None if test_items is None else _part(test_items, test_labels, "the test items")
    return make_dataset(
        name, train, test, unit=unit or unit_of(train.items), test_share=test_share, seed=seed
    )


def unit_of(items: NDArray[Any]) -> str:
    """Return what items are called: images, codes, texts or items."""
    if items.dtype == np.uint8 and items.ndim in (3, 4):
        return "images"
    if items.ndim == 2 and items.dtype.kind in "biuf":
        return "codes"
    return "texts" if items.ndim == 1 and items.dtype.kind in "OTU" else "items"


def _part(items: Any, labels: Any, what: str) -> Part:
    is_path = isinstance(items, str | PathLike)
    return Part(_array(items, what), _array(labels, "labels"), str(items) if is_path else what)


def _array(values: Any, what: str) -> NDArray[Any]:
    if not isinstance(values, str | PathLike):
        return as_matrix(values, what)
    path = Path(values)
    if not path.is_file():
        raise DatasetNotFoundError(f"{path} is no file; give an .npy file, as numpy.save writes it")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (EOFError, OSError, ValueError) as error:
        raise DatasetCorruptError(
            f"{path} cannot be read as an .npy file of a plain array ({error})"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DatasetCorruptError(f"{path} is an .npz file of several arrays; give an .npy file of one")
    return array
