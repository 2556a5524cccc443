"""The sources of a published data set, in the order in which they are searched."""

import os
from collections.abc import Callable
from pathlib import Path

from latentknn.datasets.errors import DatasetNotFoundError
from latentknn.datasets.published import PublishedDataset
from latentknn.datasets.readers import RawData, read_idx_folder


def cache_folder(name: str) -> Path:
    """Return the folder of the user's cache that holds the data set ``name``.

    It lies in ``$XDG_CACHE_HOME``, or ``~/.cache`` where that is unset or relative (XDG Base Directory
    Specification). It need not exist.

    Examples
    --------
    >>> from latentknn.datasets import cache_folder
    >>> cache_folder("fashion_mnist").name
    'fashion_mnist'
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "latentknn" / "datasets" / name


def find(published: PublishedDataset) -> RawData:
    """Return a published data set from the first source that has it, verified by checksum.

    The user's cache comes first, then the folder of Debian's package, then the download of Keras.

    Raises
    ------
    DatasetNotFoundError
        If no source has it; the message gives each source's answer and lists every way to get the data set.
    DatasetCorruptError
        If the first source that has it holds a damaged or altered copy.
    """
    sources: list[Callable[[PublishedDataset], RawData]] = [_from_cache, _from_debian, _from_keras]
    answers = []
    for source in sources:
        try:
            raw = source(published)
        except DatasetNotFoundError as error:
            answers.append(str(error))
        else:
            published.verify(raw)
            return raw
    raise DatasetNotFoundError(_not_found_message(published, answers))


def _from_cache(published: PublishedDataset) -> RawData:
    return read_idx_folder(cache_folder(published.name))


def _from_debian(published: PublishedDataset) -> RawData:
    if published.debian_folder is None:
        raise DatasetNotFoundError("Debian: no package of it")
    return read_idx_folder(published.debian_folder)


def _from_keras(published: PublishedDataset) -> RawData:
    try:
        import keras
    except ImportError as error:
        raise DatasetNotFoundError(f"Keras download: Keras cannot be imported ({error})") from error
    try:
        # Keras raises a bare Exception when a download fails.
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, published.name).load_data()
    except Exception as error:
        raise DatasetNotFoundError(f"Keras download: {error}") from error
    arrays = {"train_images": x_train, "train_labels": y_train, "test_images": x_test, "test_labels": y_test}
    return RawData(arrays=arrays, origins={part: f"the Keras download of {part}" for part in arrays})


def _not_found_message(published: PublishedDataset, answers: list[str]) -> str:
    ways = [
        f'load("{published.name}", path=FOLDER) with the four IDX files as published '
        "(train-images-idx3-ubyte[.gz], …), or path=FILE.npz with x_train, y_train, x_test, y_test",
        f"the four IDX files in {cache_folder(published.name)}",
    ]
    if published.debian_package is not None:
        ways += [
            f"apt-get install {published.debian_package}",
            f'latentknn.datasets.fetch("{published.name}"): unpacks that package without root',
        ]
    ways += [
        'pip install "latentknn[tensorflow]" and a network connection: Keras downloads it',
        'or take load("digits"), which needs no download',
    ]
    return (
        f"The data set {published.name} was not found. Searched:\n"
        + "\n".join(f"  - {answer}" for answer in answers)
        + "\nWays to get it:\n"
        + "\n".join(f"  - {way}" for way in ways)
    )
