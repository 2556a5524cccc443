"""A folder that holds a folder of pictures for every class."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from latentknn.datasets.dataset import Dataset
from latentknn.datasets.errors import DatasetNotFoundError
from latentknn.datasets.pictures import Picture, decode
from latentknn.datasets.splitting import TEST_SHARE, Part, make_dataset

_READ = {".png", ".jpg", ".jpeg"}
_REFUSED = {".avif", ".bmp", ".gif", ".heic", ".tif", ".tiff", ".webp"}
_PARTS = ("train", "test")


def from_folder(
    folder: str | PathLike[str],
    *,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_share: float = TEST_SHARE,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Read pictures whose classes are the names of their folders.

    The folder holds a folder for every class, with PNG and JPEG pictures in it or in folders below; or it
    holds two folders ``train`` and ``test`` that do. Other files, such as texts, are passed over.

    Parameters
    ----------
    folder : path
        The folder.
    image_size : tuple of int, optional
        Height and width that all pictures are resized to; without it all must have one size.
    channels : {1, 3, 4}, optional
        Grey, red-green-blue, or that with opacity; by default 1 if all pictures are grey, otherwise 3.
    test_share : float
        Share of the pictures of every class that are for testing, where there is no folder ``test``.
    seed : int
        Seed of that choice.
    name : str, optional
        Name for reports; by default that of the folder.

    Returns
    -------
    Dataset
        Images of uint8, shape (N, H, W) or (N, H, W, C). The classes are in the order of their names.

    Raises
    ------
    DatasetNotFoundError
        If there is no such folder, or no folder of a class in it.
    DatasetCorruptError
        If a picture cannot be read; the message names it.
    ValueError
        If sizes differ and there is no `image_size`, a class has no picture or a single one, a class of the
        test set has none to train on, or a picture is of no class or of another kind. The message names the
        file or the folder.
    ModuleNotFoundError
        If Pillow is not installed; the message names the extra to install.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from latentknn.datasets import from_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for label in ("shirt", "shoe"):
    ...         os.mkdir(os.path.join(folder, label))
    ...         for number in range(5):
    ...             picture = Image.fromarray(np.full((6, 4), 40 * number, np.uint8))
    ...             picture.save(os.path.join(folder, label, f"{number}.png"))
    ...     from_folder(folder, name="pictures")
    Dataset('pictures', 8 training and 2 test images of shape (6, 4, 1), 2 classes)
    """
    path = Path(folder)
    if not path.is_dir():
        raise DatasetNotFoundError(
            f"{path} is no folder; give one that holds a folder of pictures for every class"
        )
    has_parts = all((path / part).is_dir() for part in _PARTS)
    listed = [_list(path / part) for part in _PARTS] if has_parts else [_list(path)]
    # All are decoded together, so that one size and one number of channels fit both parts.
    pixels = decode([picture for part in listed for picture, _ in part], image_size, channels)
    parts, begin = [], 0
    for place, pictures in enumerate(listed):
        labels = np.array([label for _, label in pictures])
        origin = str(path / _PARTS[place]) if has_parts else str(path)
        parts.append(Part(pixels[begin : begin + len(pictures)], labels, origin))
        begin += len(pictures)
    dataset = make_dataset(
        name or path.resolve().name,
        parts[0],
        parts[1] if has_parts else None,
        unit="images",
        test_share=test_share,
        seed=seed,
    )
    assert isinstance(dataset, Dataset)
    return dataset


def holds_classes(folder: Path) -> bool:
    """Return whether a folder has folders below, as those of classes are."""
    return any(_is_visible(each) and each.is_dir() for each in folder.iterdir())


def _list(folder: Path) -> list[tuple[Picture, str]]:
    """Return the pictures of all classes in a fixed order, each with its class."""
    visible = sorted(each for each in folder.iterdir() if _is_visible(each))
    loose = next(
        (each for each in visible if each.is_file() and each.suffix.lower() in _READ | _REFUSED), None
    )
    if loose is not None:
        raise ValueError(f"{loose} is of no class: move it into the folder of its class")
    classes = [each for each in visible if each.is_dir()]
    if not classes:
        raise DatasetNotFoundError(f"{folder} holds no folder of a class")
    listed = []
    for each in classes:
        files = [file for file in sorted(each.rglob("*")) if file.is_file() and _is_visible(file)]
        other = next((file for file in files if file.suffix.lower() in _REFUSED), None)
        if other is not None:
            raise ValueError(f"{other} is neither PNG nor JPEG: convert it, or move it away")
        pictures = [Picture(file, str(file)) for file in files if file.suffix.lower() in _READ]
        if not pictures:
            raise ValueError(f"{each} holds no PNG or JPEG picture: fill the class, or remove its folder")
        listed += [(picture, each.name) for picture in pictures]
    return listed


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")
