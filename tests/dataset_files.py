"""Helpers that write data sets as files and compare what is read from them."""

import gzip

import numpy as np

from latentknn.datasets.idx import idx_header
from latentknn.datasets.readers import IDX_FILES, NPZ_KEYS


def write_idx(path, array, compressed=False):
    content = idx_header(array) + array.tobytes()
    path.write_bytes(gzip.compress(content) if compressed else content)


def write_folder(folder, arrays, compressed=False):
    folder.mkdir(parents=True)
    for part, name in IDX_FILES.items():
        write_idx(folder / (f"{name}.gz" if compressed else name), arrays[part], compressed)
    return folder


def write_npz(path, arrays, **others):
    np.savez(path, **{NPZ_KEYS[part]: array for part, array in arrays.items()}, **others)
    return path


def assert_holds(dataset, arrays):
    for part, array in arrays.items():
        assert np.array_equal(getattr(dataset, part), array), part
    assert dataset.train_images.dtype == dataset.test_images.dtype == np.uint8
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64
