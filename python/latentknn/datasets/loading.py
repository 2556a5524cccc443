"""Loading a data set by its name or from a path."""

from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.dataset import Dataset
from latentknn.datasets.digits import load_digits
from latentknn.datasets.folders import from_folder, holds_classes
from latentknn.datasets.published import PUBLISHED
from latentknn.datasets.readers import RawData, holds_idx_files, read_path
from latentknn.datasets.sources import find
from latentknn.datasets.tables import TABLE_SUFFIXES, from_table

NAMES = (*PUBLISHED, "digits")
"""The data sets that ``load`` knows by name.

>>> from latentknn.datasets import NAMES
>>> NAMES
('fashion_mnist', 'mnist', 'digits')
"""


def load(
    name: str,
    path: str | PathLike[str] | None = None,
    *,
    image_size: tuple[int, int] | None = None,
) -> Dataset:
    """Load a data set by name, or one of your own from a path.

    ``fashion_mnist`` and ``mnist`` are verified by checksum, wherever they come from: ``path`` if given,
    otherwise the user's cache, the folder of Debian's package or the download of Keras, in this order.
    ``digits`` is embedded in scikit-learn. Any other name needs a path and names your own data.

    Parameters
    ----------
    name : str
        One of ``NAMES``, or a name for your own data.
    path : path, optional
        A folder with the four IDX files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each with ``.gz`` or without; an .npz
        file with uint8 images ``x_train`` and ``x_test``, labels ``y_train`` and ``y_test``, which are
        strings or integers counted from 0, and optionally ``class_names``, one string for every integer; or,
        of your own data, a folder of class folders as `from_folder` takes it, or a table of images as
        `from_table` does.
    image_size : tuple of int, optional
        Height and width that the pictures of a folder or a table are resized to.

    Returns
    -------
    Dataset
        Images (N, H, W) or (N, H, W, C) of uint8, labels (N,) of int64.

    Raises
    ------
    ValueError
        If the name is unknown and no path is given, a path is given for ``digits``, or `image_size` for
        images that have one size already; see also `from_folder` and `from_table`.
    DatasetNotFoundError
        If no source has the data set; the message lists every way to get it.
    DatasetCorruptError
        If a file is damaged or not the published one.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> load("digits")
    Dataset('digits', 1297 training and 500 test images of shape (8, 8, 1), 10 classes)
    """
    if name == "digits":
        if path is not None:
            raise ValueError(
                "digits is embedded in scikit-learn and takes no path; name your own data otherwise"
            )
        return load_digits() if image_size is None else _refuse_size(name)

    published = PUBLISHED.get(name)
    if published is None and path is None:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}, or give a path")
    if published is None:
        assert path is not None
        pictures = _load_pictures(name, Path(path), image_size)
        if pictures is not None:
            return pictures
        raw = read_path(Path(path))
        return _dataset(name, raw, raw.class_names or _numbered_classes(raw))
    if image_size is not None:
        _refuse_size(name)
    if path is None:
        raw = find(published)
    else:
        raw = read_path(Path(path))
        published.verify(raw)
    return _dataset(name, raw, published.class_names)


def _load_pictures(name: str, path: Path, image_size: tuple[int, int] | None) -> Dataset | None:
    """Return the data set of a folder of class folders or of a table; None if the path is neither."""
    if path.is_dir() and holds_classes(path) and not holds_idx_files(path):
        return from_folder(path, image_size=image_size, name=name)
    if path.suffix.lower() in TABLE_SUFFIXES:
        dataset = from_table(path, image_size=image_size, name=name)
        if not isinstance(dataset, Dataset):
            raise ValueError(f"{path} holds {dataset.unit}, expected images; from_table reads other items")
        return dataset
    return None if image_size is None else _refuse_size(str(path))


def _refuse_size(what: str) -> NoReturn:
    raise ValueError(f"{what} holds images of one size already: leave image_size out")


def _dataset(name: str, raw: RawData, class_names: tuple[str, ...]) -> Dataset:
    return Dataset(
        name=name,
        train_images=raw.arrays["train_images"],
        train_labels=_labels(raw, "train_labels"),
        test_images=raw.arrays["test_images"],
        test_labels=_labels(raw, "test_labels"),
        class_names=class_names,
    )


def _labels(raw: RawData, part: str) -> NDArray[np.int64]:
    labels: NDArray[Any] = raw.arrays[part]
    if labels.dtype.kind == "U" and labels.size > 0:
        return _numbers_of(raw, part)
    if not np.issubdtype(labels.dtype, np.integer) or labels.size == 0:
        raise ValueError(
            f"{raw.origins[part]} has dtype {labels.dtype} and shape {labels.shape}, "
            "expected one label for every image, integers or strings"
        )
    return labels.astype(np.int64)


def _numbers_of(raw: RawData, part: str) -> NDArray[np.int64]:
    """Return the places of labels that are strings among the names of the classes."""
    names = np.array(raw.class_names or _numbered_classes(raw))
    order = np.argsort(names)
    labels = raw.arrays[part]
    places = np.searchsorted(names, labels, sorter=order).clip(max=len(names) - 1)
    unknown = names[order[places]] != labels
    if unknown.any():
        raise ValueError(
            f"{raw.origins[part]}: label {str(labels[unknown.argmax()])!r} is none of the class names "
            f"{', '.join(map(str, names))}"
        )
    return np.asarray(order[places], np.int64)


def _numbered_classes(raw: RawData) -> tuple[str, ...]:
    both = [raw.arrays[part] for part in ("train_labels", "test_labels")]
    if all(labels.dtype.kind == "U" for labels in both):
        return tuple(map(str, np.unique(np.concatenate([labels.ravel() for labels in both]))))
    if any(labels.dtype.kind == "U" for labels in both):
        raise ValueError(
            f"{raw.origins['train_labels']} has dtype {both[0].dtype}, but {raw.origins['test_labels']} "
            f"{both[1].dtype}; labels must be all strings or all integers"
        )
    highest = max(int(_labels(raw, part).max()) for part in ("train_labels", "test_labels"))
    images = len(raw.arrays["train_images"])
    if highest >= images:
        raise ValueError(
            f"{raw.origins['train_labels']}: labels go up to {highest} with {images} training images; "
            "labels must be class numbers counted from 0 (numpy.unique with return_inverse=True makes them)"
        )
    return tuple(str(number) for number in range(highest + 1))
