"""Data sets of pictures in the folders of their classes."""

import sys

import numpy as np
import pytest
from PIL import Image

from latentknn import datasets
from latentknn.datasets import from_folder


def picture(number, size=(6, 5), mode="L"):
    """Return a picture, `size` in height and width, all of one colour."""
    colour = {"L": 10 * number, "RGB": (10 * number, 0, 255), "RGBA": (10 * number, 0, 255, 128)}
    return Image.new(mode, size[::-1], colour.get(mode, number))


def fill(folder, classes, suffix="png", **options):
    for place, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture(5 * place + number, **options).save(folder / name / f"{number:02}.{suffix}")
    return folder


def test_folders_name_the_classes(tmp_path):
    fill(tmp_path / "shirts", {"red": 5, "blue": 5})
    (tmp_path / "shirts" / "red" / "notes.txt").write_text("not a picture")
    (tmp_path / "shirts" / "red" / ".DS_Store").write_bytes(b"hidden")
    dataset = from_folder(tmp_path / "shirts")
    assert dataset.name == "shirts"
    assert dataset.class_names == ("blue", "red")
    assert dataset.train_images.shape == (8, 6, 5)
    assert np.bincount(dataset.test_labels).tolist() == [1, 1]
    # Red pictures are 0, 10, ... 40, and blue ones 50, 60, ... 90.
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert ((images[:, 0, 0] < 50) == (labels == 1)).all()
        assert (images == images[:, :1, :1]).all()
    everything = np.concatenate([dataset.train_images[:, 0, 0], dataset.test_images[:, 0, 0]])
    assert sorted(everything.tolist()) == list(range(0, 100, 10))


def test_the_seed_decides_the_split(tmp_path):
    fill(tmp_path, {"a": 5, "b": 20})
    first, again, other = (from_folder(tmp_path, seed=seed, test_share=0.4) for seed in (0, 0, 1))
    assert np.bincount(first.test_labels).tolist() == [2, 8]
    assert np.array_equal(first.test_images, again.test_images)
    assert not np.array_equal(first.test_images, other.test_images)


def test_train_and_test_folders_are_the_split(tmp_path):
    fill(tmp_path / "train", {"a": 2, "b": 3, "rare": 1})
    fill(tmp_path / "test", {"b": 2}, suffix="JPG")
    dataset = from_folder(tmp_path)
    assert dataset.class_names == ("a", "b", "rare")
    assert dataset.train_labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert dataset.test_labels.tolist() == [1, 1]
    assert "a single one of the training images is of rare" in datasets.describe_rare_classes(dataset)


def test_pictures_of_any_size_and_kind_are_resized(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    picture(1).save(tmp_path / "a" / "0.png")
    picture(3, (40, 30), "RGB").save(tmp_path / "a" / "1.jpeg", quality=100)
    picture(4, (3, 9), "RGBA").save(tmp_path / "b" / "0.png")
    picture(5).convert("P").save(tmp_path / "b" / "deeper" / "1.png")
    dataset = from_folder(tmp_path, image_size=(8, 7), test_share=0.5)
    assert dataset.image_shape == (8, 7, 3)
    images = np.concatenate([dataset.train_images, dataset.test_images])
    colours = sorted(images[:, 4, 4].tolist())
    for colour, expected in zip(colours, [[10] * 3, [30, 0, 254], [40, 0, 255], [50] * 3], strict=True):
        np.testing.assert_allclose(colour, expected, atol=2)
    assert from_folder(tmp_path, image_size=(8, 7), channels=1, test_share=0.5).image_shape == (8, 7, 1)
    opaque = from_folder(tmp_path, image_size=(8, 7), channels=4, test_share=0.5)
    assert sorted(np.concatenate([opaque.train_images, opaque.test_images])[:, 0, 0, 3]) == [
        128,
        255,
        255,
        255,
    ]


def test_sixteen_bits_and_turned_photographs_are_read_as_people_see_them(tmp_path):
    (tmp_path / "a").mkdir()
    deep = np.full((4, 6), 257 * 7, np.uint16)
    deep[:, 3:] = 65535
    Image.fromarray(deep).save(tmp_path / "a" / "0.png")
    turned = Image.fromarray(np.repeat([[0], [0], [0], [250], [250], [250]], 4, axis=1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 8  # The upper side of the file is on the right.
    turned.save(tmp_path / "a" / "1.jpg", quality=100, exif=exif)
    dataset = from_folder(tmp_path, test_share=0.5)
    images = np.concatenate([dataset.train_images, dataset.test_images])
    assert images.shape == (2, 4, 6)
    for left, right in zip(images[:, 0, 0], images[:, 0, 5], strict=True):
        assert left < 20
        assert right > 230


def test_pictures_of_different_sizes_are_named(tmp_path):
    fill(tmp_path, {"a": 2, "b": 2})
    picture(1, (6, 4)).save(tmp_path / "b" / "01.png")
    with pytest.raises(ValueError, match=r"a/00\.png has 6x5 pixels, but .*b/01\.png 6x4; .*image_size"):
        from_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_files_that_are_no_pictures_are_named(tmp_path, content):
    fill(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "b" / "01.png").write_bytes(content)
    with pytest.raises(datasets.DatasetCorruptError, match=r"b/01\.png cannot be read as a picture"):
        from_folder(tmp_path)


def test_a_damaged_picture_is_named(tmp_path):
    fill(tmp_path, {"a": 2, "b": 2})
    noise = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
    Image.fromarray(noise).save(tmp_path / "b" / "01.png")
    whole = (tmp_path / "b" / "01.png").read_bytes()
    (tmp_path / "b" / "01.png").write_bytes(whole[:-40])
    with pytest.raises(
        datasets.DatasetCorruptError, match=r"b/01\.png cannot be read as a picture: image file is truncated"
    ):
        from_folder(tmp_path)


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(datasets.DatasetNotFoundError, match="nowhere is no folder"):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(datasets.DatasetNotFoundError, match="holds no folder of a class"):
        from_folder(tmp_path)
    fill(tmp_path, {"a": 2, "b": 2})
    with pytest.raises(ValueError, match="channels 2, expected 1, 3 or 4"):
        from_folder(tmp_path, channels=2)
    with pytest.raises(ValueError, match=r"image_size \(0, 3\)"):
        from_folder(tmp_path, image_size=(0, 3))
    with pytest.raises(ValueError, match="test_share 1, expected a number between 0 and 1"):
        from_folder(tmp_path, test_share=1)
    picture(1).save(tmp_path / "loose.png")
    with pytest.raises(ValueError, match=r"loose\.png is of no class"):
        from_folder(tmp_path)
    (tmp_path / "loose.png").rename(tmp_path / "a" / "other.gif")
    with pytest.raises(ValueError, match=r"other\.gif is neither PNG nor JPEG"):
        from_folder(tmp_path)


def test_classes_that_are_too_small_are_named(tmp_path):
    fill(tmp_path, {"a": 3, "empty": 0, "single": 1})
    with pytest.raises(ValueError, match="empty holds no PNG or JPEG picture"):
        from_folder(tmp_path)
    (tmp_path / "empty").rmdir()
    with pytest.raises(ValueError, match="has a single item of class 'single'"):
        from_folder(tmp_path)
    fill(tmp_path / "set" / "train", {"a": 2})
    fill(tmp_path / "set" / "test", {"a": 2, "new": 1})
    with pytest.raises(ValueError, match=r"test has items of class 'new', but .*train has none"):
        from_folder(tmp_path / "set")


def test_load_takes_a_folder_of_classes(tmp_path):
    fill(tmp_path / "shirts", {"red": 5, "blue": 5})
    loaded = datasets.load("mine", tmp_path / "shirts", image_size=(3, 3))
    assert loaded.name == "mine"
    assert loaded.image_shape == (3, 3, 1)
    assert loaded.class_names == ("blue", "red")
    with pytest.raises(ValueError, match="digits holds images of one size already: leave image_size out"):
        datasets.load("digits", image_size=(3, 3))


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    fill(tmp_path, {"a": 2, "b": 2})
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "latentknn\[images\]"'):
        from_folder(tmp_path)
