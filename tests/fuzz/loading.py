"""What reads files that anybody may have written: an answer or a documented error, whatever the bytes are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import latentknn as lk
from latentknn.datasets.errors import DatasetCorruptError
from latentknn.datasets.idx import read_idx


def load_index(path: Path) -> None:
    """Load an index; one that loads also answers, and is the same when it is saved and loaded again."""
    try:
        index = lk.CosineIndex.load(path, engine="cpu", threads=1)
    except ValueError as error:
        _check_name(path, error)
        return
    again = path.with_name("again.safetensors")
    index.save(again)
    loaded = lk.CosineIndex.load(again, engine="cpu", threads=1)
    assert loaded.codes.tobytes() == index.codes.tobytes()
    assert loaded.ids.tobytes() == index.ids.tobytes()
    assert np.array_equal(loaded.labels, index.labels) or index.labels is None
    if len(index) > 0:
        assert index.search(index.codes[:2], 1).ids.shape == (min(2, len(index)), 1)


def read_data(path: Path) -> None:
    """Read a file of images or labels."""
    try:
        read_idx(path)
    except DatasetCorruptError as error:
        _check_name(path, error)


def _check_name(path: Path, error: Exception) -> None:
    """Fail unless an error names its file."""
    assert str(path) in str(error), error


READERS: dict[str, Callable[[Path], None]] = {"index": load_index, "idx": read_data}
"""Each reader by the name of its folder in ``corpus``."""
