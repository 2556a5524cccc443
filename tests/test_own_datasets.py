"""Reading of a user's own images and labels from a folder or a file."""

from pathlib import Path

import numpy as np
import pytest

from dataset_files import assert_holds, write_folder, write_npz
from latentknn import datasets
from latentknn.datasets.readers import PARTS


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
def test_a_folder_of_idx_files_is_loaded(tmp_path, arrays, compressed):
    dataset = datasets.load("mine", write_folder(tmp_path / "mine", arrays, compressed))
    assert_holds(dataset, arrays)
    assert dataset.name == "mine"
    assert dataset.class_names == tuple("0123456789")
    assert dataset.image_shape == (5, 4, 1)


def test_an_npz_file_is_loaded(tmp_path, arrays):
    arrays["train_images"] = np.repeat(arrays["train_images"][..., np.newaxis], 3, axis=3)
    arrays["test_images"] = np.repeat(arrays["test_images"][..., np.newaxis], 3, axis=3)
    arrays["train_labels"] = arrays["train_labels"].astype(np.int32)
    path = write_npz(tmp_path / "mine.npz", arrays, class_names=[f"class {i}" for i in range(10)])
    dataset = datasets.load("mine", str(path))
    assert_holds(dataset, arrays)
    assert dataset.image_shape == (5, 4, 3)
    assert dataset.class_names[9] == "class 9"


def test_an_incomplete_folder_names_the_file(tmp_path, arrays):
    folder = write_folder(tmp_path / "mine", arrays)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(datasets.DatasetNotFoundError, match="neither t10k-labels-idx1-ubyte nor t10k-labels"):
        datasets.load("mine", folder)
    with pytest.raises(datasets.DatasetNotFoundError, match=r"does not exist.*IDX.*npz"):
        datasets.load("mine", tmp_path / "nowhere")


def test_damaged_npz_files_are_named(tmp_path, arrays):
    path = write_npz(tmp_path / "mine.npz", arrays)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(datasets.DatasetCorruptError, match=r"mine\.npz cannot be read"):
        datasets.load("mine", path)
    position = content.index(arrays["train_images"].tobytes())
    path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
    with pytest.raises(datasets.DatasetCorruptError, match=r"mine\.npz cannot be read"):
        datasets.load("mine", path)
    np.savez(path, x_train=arrays["train_images"])
    with pytest.raises(datasets.DatasetCorruptError, match=r"lacks y_train, x_test, y_test.*found x_train"):
        datasets.load("mine", path)
    np.save(tmp_path / "array.npy", arrays["train_images"])
    with pytest.raises(datasets.DatasetCorruptError, match=r"array\.npy is no \.npz file"):
        datasets.load("mine", tmp_path / "array.npy")


def test_pickled_objects_are_never_loaded(tmp_path, arrays):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = write_npz(tmp_path / "mine.npz", arrays | {"train_labels": np.array([Trap()], dtype=object)})
    with pytest.raises(datasets.DatasetCorruptError, match="cannot be read"):
        datasets.load("mine", path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("part", "change", "error", "complaint"),
    [
        ("train_images", lambda a: a / 255, TypeError, "dtype float64, expected uint8"),
        ("train_images", lambda a: a.reshape(20, 20), ValueError, r"shape \(20, 20\), expected \(N, H, W\)"),
        ("train_images", lambda a: a[:19], ValueError, "19 images, but train_labels holds 20 labels"),
        ("test_images", lambda a: a[:, :4], ValueError, r"shape \(5, 4\), but test images \(4, 4\)"),
        ("test_labels", lambda a: a.astype(float), ValueError, "dtype float64"),
        ("test_labels", lambda a: a[:0], ValueError, r"shape \(0,\)"),
        ("test_labels", lambda a: a[:, np.newaxis], ValueError, r"shape \(10, 1\), expected \(N,\)"),
        ("test_labels", lambda a: a.astype(np.int8) - 1, ValueError, "from -1 to 8"),
        ("train_labels", lambda a: a.astype(int) * 1000, ValueError, "up to 9000 with 20 training images"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, arrays, part, change, error, complaint):
    path = write_npz(tmp_path / "mine.npz", arrays | {part: change(arrays[part])})
    with pytest.raises(error, match=complaint):
        datasets.load("mine", path)


def test_class_names_must_suffice(tmp_path, arrays):
    path = write_npz(tmp_path / "mine.npz", arrays, class_names=["one", "two"])
    with pytest.raises(ValueError, match="from 0 to 9, but there are 2 class names"):
        datasets.load("mine", path)


def test_datasets_are_read_only_views(arrays):
    arrays = {part: a.astype(np.int64) if "labels" in part else a for part, a in arrays.items()}
    dataset = datasets.Dataset(name="mine", class_names=tuple("0123456789"), **arrays)
    for part in PARTS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(dataset, part)[0] = 0
        arrays[part][0] = 0
    assert "20 training and 10 test images of shape (5, 4, 1), 10 classes" in repr(dataset)
