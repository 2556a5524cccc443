"""Data sets that are loaded by name: the order of their sources, and their checksums."""

import sys
from pathlib import Path

import numpy as np
import pytest

from dataset_files import assert_holds, write_folder, write_npz
from keras_download import answer_keras, forbid_keras
from latentknn import datasets
from latentknn.datasets import published, sources
from latentknn.datasets.idx import idx_checksum
from latentknn.datasets.readers import PARTS


def test_sources_are_searched_in_order(places, arrays, monkeypatch):
    def from_keras():
        return (arrays["train_images"], arrays["train_labels"]), (
            arrays["test_images"],
            arrays["test_labels"],
        )

    searched = []
    for name in ("_from_cache", "_from_debian", "_from_keras"):
        original = getattr(sources, name)

        def watched(wanted, name=name, original=original):
            searched.append(name)
            return original(wanted)

        monkeypatch.setattr(sources, name, watched)

    answer_keras(monkeypatch, from_keras)
    assert_holds(datasets.load("fashion_mnist"), arrays)
    assert searched == ["_from_cache", "_from_debian", "_from_keras"]

    forbid_keras(monkeypatch)
    write_folder(places["debian"], arrays, compressed=True)
    searched.clear()
    assert_holds(datasets.load("fashion_mnist"), arrays)
    assert searched == ["_from_cache", "_from_debian"]

    places["cache"].parent.mkdir(parents=True)
    places["debian"].rename(places["cache"])
    searched.clear()
    dataset = datasets.load("fashion_mnist")
    assert_holds(dataset, arrays)
    assert dataset.class_names[9] == "Ankle boot"
    assert searched == ["_from_cache"]


def test_a_path_comes_first_and_is_verified(tmp_path, places, arrays):
    folder = write_folder(tmp_path / "given", arrays, compressed=True)
    npz = write_npz(tmp_path / "given.npz", arrays)
    for path in (folder, npz):
        assert_holds(datasets.load("fashion_mnist", path), arrays)

    altered = arrays["test_images"].copy()
    altered[0, 0, 0] ^= 1
    # The cache is not used, though its files are right.
    write_folder(places["cache"], arrays)
    for path in (
        write_folder(tmp_path / "altered", arrays | {"test_images": altered}),
        write_npz(tmp_path / "altered.npz", arrays | {"test_images": altered}),
    ):
        with pytest.raises(datasets.DatasetCorruptError) as caught:
            datasets.load("fashion_mnist", path)
        assert str(path) in str(caught.value)
        assert idx_checksum(altered) in str(caught.value)
        assert idx_checksum(arrays["test_images"]) in str(caught.value)

    path = write_npz(tmp_path / "wide.npz", arrays | {"test_labels": arrays["test_labels"].astype(int)})
    with pytest.raises(datasets.DatasetCorruptError, match="int64, expected uint8"):
        datasets.load("fashion_mnist", path)


@pytest.mark.parametrize("place", ["cache", "debian"])
def test_a_damaged_source_is_an_error_not_a_detour(places, arrays, place, monkeypatch):
    folder = write_folder(places[place], arrays | {"train_labels": arrays["train_labels"][::-1].copy()})
    with pytest.raises(datasets.DatasetCorruptError, match="delete it and get it anew") as caught:
        datasets.load("fashion_mnist")
    assert str(folder / "train-labels-idx1-ubyte") in str(caught.value)


def test_a_wrong_download_is_an_error(places, arrays, monkeypatch):
    train = (arrays["train_images"], arrays["train_labels"])
    answer_keras(monkeypatch, lambda: (train, train))
    with pytest.raises(datasets.DatasetCorruptError, match="Keras download of test_images"):
        datasets.load("fashion_mnist")


def test_missing_everywhere_lists_every_way(places, arrays, monkeypatch):
    def fail():
        raise Exception("no network today")

    answer_keras(monkeypatch, fail)
    write_folder(places["cache"], arrays)
    (places["cache"] / "train-images-idx3-ubyte").unlink()
    with pytest.raises(datasets.DatasetNotFoundError) as caught:
        datasets.load("fashion_mnist")
    message = str(caught.value)
    for answer in (
        f"{places['cache']} holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz",
        f"{places['debian']}: no such folder",
        "Keras download: no network today",
        "path=FOLDER",
        "path=FILE.npz",
        "apt-get install dataset-fashion-mnist",
        'latentknn.datasets.fetch("fashion_mnist")',
        'pip install "latentknn[tensorflow]"',
        'load("digits")',
    ):
        assert answer in message


def test_without_keras_the_message_says_so(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(datasets.DatasetNotFoundError, match="Keras cannot be imported"):
        datasets.load("fashion_mnist")


def test_the_cache_follows_the_xdg_specification(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert datasets.cache_folder("mnist") == Path("/somewhere/latentknn/datasets/mnist")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert datasets.cache_folder("mnist") == tmp_path / ".cache/latentknn/datasets/mnist"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert datasets.cache_folder("mnist") == tmp_path / ".cache/latentknn/datasets/mnist"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"unknown data set 'nonsense'.*fashion_mnist, mnist, digits"):
        datasets.load("nonsense")


def test_published_checksums_are_complete():
    for dataset in published.PUBLISHED.values():
        assert set(dataset.checksums) == set(PARTS)
        assert len(set(dataset.checksums.values())) == len(PARTS)
        assert len(dataset.class_names) == 10


def test_real_fashion_mnist():
    try:
        dataset = datasets.load("fashion_mnist")
    except datasets.DatasetNotFoundError as error:
        pytest.skip(f"Fashion-MNIST is not on this machine: {error}")
    assert dataset.train_images.shape == (60000, 28, 28)
    assert dataset.test_images.shape == (10000, 28, 28)
    assert np.bincount(dataset.train_labels).tolist() == [6000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10


def test_digits():
    dataset = datasets.load("digits")
    assert dataset.train_images.shape == (1297, 8, 8)
    assert dataset.test_images.shape == (500, 8, 8)
    values = np.unique(dataset.train_images)
    assert values.tolist() == [round(value * 255 / 16) for value in range(17)]
    assert np.bincount(dataset.test_labels).min() >= 40
    assert len(dataset.class_names) == 10
    with pytest.raises(ValueError, match="digits is embedded"):
        datasets.load("digits", "somewhere")
