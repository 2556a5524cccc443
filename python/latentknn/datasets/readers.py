"""Reading the arrays of a data set from a folder of IDX files or from an .npz file."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.idx import read_idx

PARTS = ("train_images", "train_labels", "test_images", "test_labels")

IDX_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}

NPZ_KEYS = {
    "train_images": "x_train",
    "train_labels": "y_train",
    "test_images": "x_test",
    "test_labels": "y_test",
}
_NPZ_CLASS_NAMES = "class_names"


@dataclass(frozen=True, eq=False)
class RawData:
    """The unchecked arrays of a source, and the names of their files for error messages.

    Parameters
    ----------
    arrays : dict of str to ndarray
        One array for each of ``PARTS``.
    origins : dict of str to str
        For each of ``PARTS``, the file (and key) that it was read from.
    class_names : tuple of str or None
        The class names, if the source has them.
    """

    arrays: dict[str, NDArray[Any]]
    origins: dict[str, str]
    class_names: tuple[str, ...] | None = None


def read_path(path: Path) -> RawData:
    """Read a folder of IDX files or an .npz file.

    Raises
    ------
    DatasetNotFoundError
        If there is nothing at ``path``, or a file of the folder is missing.
    DatasetCorruptError
        If a file is damaged, or is neither an IDX file nor an .npz file.
    """
    if path.is_dir():
        return read_idx_folder(path)
    if not path.exists():
        raise DatasetNotFoundError(
            f"{path} does not exist; give a folder with the four IDX files of a data set or with a folder of "
            "pictures for every class, an .npz file, or a table"
        )
    return read_npz(path)


def read_idx_folder(folder: Path) -> RawData:
    """Read the four IDX files of a folder, each compressed (``.gz``) or not.

    Raises
    ------
    DatasetNotFoundError
        If the folder or one of the files is missing.
    DatasetCorruptError
        If a file is damaged or no IDX file.
    """
    if not folder.is_dir():
        raise DatasetNotFoundError(f"{folder}: no such folder")
    files = {part: _existing_file(folder, name) for part, name in IDX_FILES.items()}
    return RawData(
        arrays={part: read_idx(file) for part, file in files.items()},
        origins={part: str(file) for part, file in files.items()},
    )


def holds_idx_files(folder: Path) -> bool:
    """Return whether a folder holds at least one of the four IDX files."""
    return any(
        (folder / f"{name}{suffix}").is_file() for name in IDX_FILES.values() for suffix in ("", ".gz")
    )


def _existing_file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise DatasetNotFoundError(f"{folder} holds neither {name} nor {name}.gz")


def read_npz(path: Path) -> RawData:
    """Read x_train, y_train, x_test, y_test and, if it is there, class_names from an .npz file.

    Raises
    ------
    DatasetCorruptError
        If the file is no .npz file, is damaged, lacks a key or holds pickled objects (never loaded).
    """
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            # NumPy returns a plain array for an .npy file.
            found = None if isinstance(archive, np.ndarray) else {key: archive[key] for key in archive.files}
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetCorruptError(
            f"{path} cannot be read as an .npz file of plain arrays ({error}); write one with numpy.savez"
        ) from error

    if found is None:
        raise DatasetCorruptError(f"{path} is no .npz file but a single array; write one with numpy.savez")
    missing = [key for key in NPZ_KEYS.values() if key not in found]
    if missing:
        raise DatasetCorruptError(
            f"{path} lacks {', '.join(missing)}; expected the keys {', '.join(NPZ_KEYS.values())} "
            f"and optionally {_NPZ_CLASS_NAMES}, found {', '.join(found) or 'none'}"
        )
    class_names = found.get(_NPZ_CLASS_NAMES)
    return RawData(
        arrays={part: found[key] for part, key in NPZ_KEYS.items()},
        origins={part: f"{path} ({key})" for part, key in NPZ_KEYS.items()},
        class_names=None if class_names is None else tuple(str(name) for name in class_names),
    )
