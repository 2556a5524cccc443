"""Loading a data set by its name or from a path."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.dataset import Dataset
from latentknn.datasets.digits import load_digits
from latentknn.datasets.published import PUBLISHED
from latentknn.datasets.readers import RawData, read_path
from latentknn.datasets.sources import find

NAMES = (*PUBLISHED, "digits")
"""The data sets that ``load`` knows by name."""


def load(name: str, path: str | PathLike[str] | None = None) -> Dataset:
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
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each with ``.gz`` or without; or an .npz
        file with uint8 images ``x_train`` and ``x_test``, integer labels ``y_train`` and ``y_test`` counted
        from 0, and optionally ``class_names``, one string for every label.

    Returns
    -------
    Dataset
        Images (N, H, W) or (N, H, W, C) of uint8, labels (N,) of int64.

    Raises
    ------
    ValueError
        If the name is unknown and no path is given, or a path is given for ``digits``.
    DatasetNotFoundError
        If no source has the data set; the message lists every way to get it.
    DatasetCorruptError
        If a file is damaged or not the published one.
    """
    if name == "digits":
        if path is not None:
            raise ValueError(
                "digits is embedded in scikit-learn and takes no path; name your own data otherwise"
            )
        return load_digits()

    published = PUBLISHED.get(name)
    if published is None and path is None:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}, or give a path")
    if published is None:
        assert path is not None
        raw = read_path(Path(path))
        return _dataset(name, raw, raw.class_names or _numbered_classes(raw))
    if path is None:
        raw = find(published)
    else:
        raw = read_path(Path(path))
        published.verify(raw)
    return _dataset(name, raw, published.class_names)


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
    if not np.issubdtype(labels.dtype, np.integer) or labels.size == 0:
        raise ValueError(
            f"{raw.origins[part]} has dtype {labels.dtype} and shape {labels.shape}, "
            "expected one integer label for every image"
        )
    return labels.astype(np.int64)


def _numbered_classes(raw: RawData) -> tuple[str, ...]:
    highest = max(int(_labels(raw, part).max()) for part in ("train_labels", "test_labels"))
    images = len(raw.arrays["train_images"])
    if highest >= images:
        raise ValueError(
            f"{raw.origins['train_labels']}: labels go up to {highest} with {images} training images; "
            "labels must be class numbers counted from 0 (numpy.unique with return_inverse=True makes them)"
        )
    return tuple(str(number) for number in range(highest + 1))
