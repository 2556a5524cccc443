"""Data sets: reading, checking, and the order in which sources are searched."""

import dataclasses
import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from latentknn import datasets
from latentknn.datasets import published, sources
from latentknn.datasets.idx import idx_checksum, idx_header, read_idx
from latentknn.datasets.readers import IDX_FILES, NPZ_KEYS, PARTS


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


@pytest.fixture
def arrays():
    """Return a small data set, as its files hold it."""
    generator = np.random.default_rng(0)
    return {
        "train_images": generator.integers(0, 256, (20, 5, 4), dtype=np.uint8),
        "train_labels": generator.permutation(np.arange(20, dtype=np.uint8) % 10),
        "test_images": generator.integers(0, 256, (10, 5, 4), dtype=np.uint8),
        "test_labels": np.arange(10, dtype=np.uint8),
    }


@pytest.fixture
def places(tmp_path, monkeypatch, arrays):
    """Publish the small data set under the name of Fashion-MNIST, with all its sources in one folder."""
    small = dataclasses.replace(
        published.FASHION_MNIST,
        checksums={part: idx_checksum(array) for part, array in arrays.items()},
        debian_folder=tmp_path / "debian",
    )
    monkeypatch.setitem(published.PUBLISHED, "fashion_mnist", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forbid_keras(monkeypatch)
    return {"cache": datasets.cache_folder("fashion_mnist"), "debian": tmp_path / "debian"}


def forbid_keras(monkeypatch):
    def fail():
        raise AssertionError("the download was tried")

    answer_keras(monkeypatch, fail)


def answer_keras(monkeypatch, load_data):
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", load_data)


def assert_holds(dataset, arrays):
    for part, array in arrays.items():
        assert np.array_equal(getattr(dataset, part), array)
    assert dataset.train_images.dtype == dataset.test_images.dtype == np.uint8
    assert dataset.train_labels.dtype == dataset.test_labels.dtype == np.int64


# IDX files


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("shape", [(7,), (0,), (3, 4, 5), (2, 3, 4, 3)])
def test_idx_round_trip(tmp_path, shape, compressed):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_idx(tmp_path / "file", array, compressed)
    found = read_idx(tmp_path / "file")
    assert found.dtype == np.uint8
    assert found.shape == shape
    assert found.tobytes() == array.tobytes()


def test_idx_bytes_are_those_of_the_format(tmp_path):
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 1, 0]) + bytes(512)
    (tmp_path / "file").write_bytes(content)
    found = read_idx(tmp_path / "file")
    assert found.shape == (2, 256)
    assert idx_header(found) + found.tobytes() == content


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda content: b"", "found nothing"),
        (lambda content: b"\x00\x00\x0d" + content[3:], "found 00 00 0d 03"),
        (lambda content: b"PK\x03\x04" + content[4:], "found 50 4b 03 04"),
        (lambda content: content[:9], "ends inside its header"),
        (lambda content: content[:-1], "holds 75 bytes (decompressed), expected 76"),
        (lambda content: content + b"\x00", "holds 77 bytes (decompressed), expected 76"),
        (lambda content: gzip.compress(content)[:-12], "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:4], "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:-8] + bytes(8), "cannot be decompressed"),
        (lambda content: gzip.compress(content)[:12] + b"\xff" * 40, "cannot be decompressed"),
    ],
    ids=[
        "empty",
        "type",
        "magic",
        "header",
        "short",
        "long",
        "truncated-gz",
        "gz-header",
        "gz-checksum",
        "gz-content",
    ],
)
def test_damaged_idx_files_are_named(tmp_path, damage, complaint):
    path = tmp_path / "train-images-idx3-ubyte"
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    path.write_bytes(damage(idx_header(array) + array.tobytes()))
    with pytest.raises(datasets.DatasetCorruptError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


# One's own data


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
def test_own_folder(tmp_path, arrays, compressed):
    dataset = datasets.load("mine", write_folder(tmp_path / "mine", arrays, compressed))
    assert_holds(dataset, arrays)
    assert dataset.name == "mine"
    assert dataset.class_names == tuple("0123456789")
    assert dataset.image_shape == (5, 4, 1)


def test_own_npz(tmp_path, arrays):
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


# Published data


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
    write_folder(places["cache"], arrays)  # not asked, though it is right
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


def test_unknown_names():
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


# Digits


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


# Fetching Debian's package


@pytest.fixture
def archive(tmp_path, monkeypatch, places, arrays):
    """Put an apt-get on the path that finds a real package of the small data set."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed, so no package can be built or unpacked")
    root = tmp_path / "root"
    write_folder(root / places["debian"].relative_to("/"), arrays, compressed=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: small\n"
    )
    subprocess.run(["dpkg-deb", "--build", root, tmp_path / "package.deb"], check=True, capture_output=True)

    def write_apt_get(script):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/apt-get").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/apt-get").chmod(0o755)

    write_apt_get(f'test "$*" = "download dataset-fashion-mnist" && cp {tmp_path}/package.deb .')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return write_apt_get


def test_fetch_unpacks_the_package_into_the_cache(archive, places, arrays):
    assert datasets.fetch("fashion_mnist") == places["cache"]
    assert sorted(file.name for file in places["cache"].iterdir()) == sorted(
        f"{name}.gz" for name in IDX_FILES.values()
    )
    assert list(places["cache"].parent.iterdir()) == [places["cache"]]
    assert_holds(datasets.load("fashion_mnist"), arrays)

    archive("exit 1")
    assert datasets.fetch("fashion_mnist") == places["cache"]


def test_a_failed_fetch_leaves_nothing(archive, places, monkeypatch):
    archive("echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(datasets.DatasetNotFoundError, match="Unable to locate package"):
        datasets.fetch("fashion_mnist")
    archive("exit 0")
    with pytest.raises(datasets.DatasetNotFoundError, match="downloaded no package"):
        datasets.fetch("fashion_mnist")
    archive("echo nonsense > package.deb")
    with pytest.raises(datasets.DatasetNotFoundError, match="dpkg-deb --extract"):
        datasets.fetch("fashion_mnist")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(datasets.DatasetNotFoundError, match="apt-get is not installed"):
        datasets.fetch("fashion_mnist")
    assert list(places["cache"].parent.iterdir()) == []


def test_an_altered_package_does_not_reach_the_cache(archive, places, monkeypatch):
    altered = dict.fromkeys(PARTS, "0" * 64)
    monkeypatch.setitem(
        published.PUBLISHED,
        "fashion_mnist",
        dataclasses.replace(published.PUBLISHED["fashion_mnist"], checksums=altered),
    )
    with pytest.raises(datasets.DatasetCorruptError, match="not the published fashion_mnist"):
        datasets.fetch("fashion_mnist")
    assert list(places["cache"].parent.iterdir()) == []


def test_fetch_knows_what_has_a_package():
    with pytest.raises(ValueError, match=r"no Debian package holds the data set 'mnist'.*fashion_mnist"):
        datasets.fetch("mnist")
