"""Tables with a column of images, codes or texts and a column of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.arrow import Table, read_items, read_labels, read_table
from latentknn.datasets.dataset import Dataset, LabelledItems
from latentknn.datasets.own_arrays import unit_of
from latentknn.datasets.pictures import decode
from latentknn.datasets.splitting import TEST_SHARE, Part, make_dataset

TABLE_SUFFIXES = (".parquet", ".pq", ".feather", ".arrow")
"""How the names of files end that are read as tables."""

_LABELS = ("label", "labels", "fine_label")
_ITEMS = ("image", "img", "code", "codes", "embedding", "embeddings", "text")


def from_table(
    table: Any,
    test: Any = None,
    *,
    items: str | None = None,
    labels: str | None = None,
    split: str | None = None,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_share: float = TEST_SHARE,
    seed: int = 0,
    name: str | None = None,
) -> Dataset | LabelledItems:
    """Read images, codes or texts and their labels from a table.

    Parameters
    ----------
    table
        A Parquet, Feather or Arrow file; an Arrow table; a data frame of pandas or polars or what else has
        Arrow's interface for tables; or a ``datasets.Dataset`` of Hugging Face. A ``DatasetDict``, or another
        mapping with "train" and "test", holds both parts.
    test : optional
        The table with the items to test on. Without it and without `split`, a share of the items is for
        testing.
    items : str, optional
        The column of the items; by default the one that is named image, img, code, codes, embedding,
        embeddings or text. A column of binary values, or of Hugging Face's images, holds PNG or JPEG
        pictures; one of lists, of fixed size or not, holds codes, or the pixels of images if lists are nested
        or `image_size` is given; one of strings holds texts, or paths of pictures if they end in .png or
        .jpg.
    labels : str, optional
        The column of the labels; by default the one that is named label, labels or fine_label.
    split : str, optional
        A column that says "train" or "test" for every row.
    image_size : tuple of int, optional
        Height and width that pictures are resized to, or that flat lists of pixels have.
    channels : {1, 3, 4}, optional
        Channels of pictures, as `from_folder` takes them; of flat lists of pixels.
    test_share : float
        Share of the items of every class that are for testing, where nothing says which.
    seed : int
        Seed of that choice.
    name : str, optional
        Name for reports; by default that of the file, or "table".

    Returns
    -------
    Dataset or LabelledItems
        A ``Dataset`` of images; ``LabelledItems`` of all others.

    Raises
    ------
    DatasetNotFoundError, DatasetCorruptError
        If a file is not there or cannot be read; the message names it, or the row of a picture.
    ValueError
        If there is no such column, or a value is missing or of another length; the message names the table,
        the column and the row. See also `from_arrays`.
    ModuleNotFoundError
        If pyarrow, or Pillow for pictures, is not installed; the message names the extra to install.

    Examples
    --------
    >>> import pyarrow
    >>> from latentknn.datasets import from_table
    >>> table = pyarrow.table({"text": ["one", "two", "uno", "dos"], "label": ["en", "en", "es", "es"]})
    >>> from_table(table, test_share=0.5)
    LabelledItems('table', 2 training and 2 test texts of shape (), 2 classes)
    """
    path = Path(table) if isinstance(table, str | PathLike) else None
    if isinstance(table, Mapping) and test is None and {"train", "test"} <= set(table):
        table, test = table["train"], table["test"]
    tables = [read_table(table, "the table")]
    if split is not None:
        if test is not None:
            raise ValueError("received split and test; pass one of them")
        tables = _split_by(tables[0], split)
    elif test is not None:
        tables.append(read_table(test, "the test table"))
    items = items or _default(tables[0], _ITEMS, "items")
    labels = labels or _default(tables[0], _LABELS, "labels")
    found = [read_items(each, items) for each in tables]
    if any(isinstance(each, list) for each in found):
        # All are decoded together, so that one size and one number of channels fit both parts.
        pixels = decode([picture for each in found for picture in each], image_size, channels)
        arrays = [pixels[: len(found[0])], pixels[len(found[0]) :]][: len(found)]
    else:
        arrays = [_shaped(each, image_size, channels, tables[0].origin) for each in found]
    parts = [
        Part(array, read_labels(each, labels), each.origin)
        for array, each in zip(arrays, tables, strict=True)
    ]
    return make_dataset(
        name or (path.stem if path is not None else "table"),
        parts[0],
        parts[1] if len(parts) > 1 else None,
        unit=unit_of(parts[0].items),
        test_share=test_share,
        seed=seed,
    )


def _default(table: Table, names: tuple[str, ...], argument: str) -> str:
    found = [name for name in table.columns if name in names]
    if len(found) == 1:
        return found[0]
    raise ValueError(
        f"{table.origin} has the columns {', '.join(table.columns)}, {len(found) or 'none'} of them with a "
        f"usual name: say which holds the {argument} by {argument}=NAME"
    )


def _split_by(table: Table, column: str) -> list[Table]:
    values = read_labels(table, column)
    others = sorted(map(str, set(values.tolist()) - {"train", "test"}))
    if others:
        raise ValueError(f"column {column!r} of {table.origin} holds {others[0]!r}, expected train and test")
    parts = [np.flatnonzero(values == part) for part in ("train", "test")]
    return [
        replace(table, data=table.data.take(rows), origin=f"{table.origin} ({part})")
        for rows, part in zip(parts, ("train", "test"), strict=True)
    ]


def _shaped(
    items: Any, image_size: tuple[int, int] | None, channels: int | None, origin: str
) -> NDArray[Any]:
    """Return flat lists of pixels as images of 8 bits, and images of nested lists of integers too."""
    array: NDArray[Any] = items
    if image_size is not None:
        shape = (*image_size, channels) if channels not in (None, 1) else image_size
        if array.ndim != 2 or array.shape[1] != np.prod(shape):
            raise ValueError(
                f"{origin} holds items of shape {array.shape[1:]}, which are no images of "
                f"{'x'.join(map(str, shape))}"
            )
        array = array.reshape(len(array), *shape)
    images = array.ndim in (3, 4) and array.dtype.kind in "iu"
    if images and array.size > 0 and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8, copy=False)
    return array
