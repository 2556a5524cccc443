"""Training images are changed as the options say."""

import numpy as np
import pytest

from latentknn.models.layers.augmentation import RandomAugmentation


def augment(images, **options):
    layer = RandomAugmentation(**{"shift": 0, "mirror": False, "erase": 0.0, "seed": 0, **options})
    assert np.array_equal(layer(images), images)
    assert RandomAugmentation.from_config(layer.get_config()).get_config() == layer.get_config()
    return layer(images, training=True).numpy()


@pytest.fixture
def numbered():
    """Return 300 images of 7x6 whose pixels are all different and not 0."""
    return np.broadcast_to(np.arange(1.0, 43, dtype=np.float32).reshape(1, 7, 6, 1), (300, 7, 6, 1))


def test_shifted_images_keep_their_pixels_in_order(numbered):
    padded = np.pad(numbered[0, :, :, 0], 2)
    windows = {padded[i : i + 7, j : j + 6].tobytes() for i in range(5) for j in range(5)}
    found = {image[..., 0].tobytes() for image in augment(numbered, shift=2)}
    assert found == windows


def test_half_of_the_images_are_mirrored(numbered):
    changed = augment(numbered, mirror=True)
    mirrored = np.array([np.array_equal(image, numbered[0, :, ::-1]) for image in changed])
    same = np.array([np.array_equal(image, numbered[0]) for image in changed])
    assert (mirrored ^ same).all()
    assert 100 < mirrored.sum() < 200


def test_erased_pixels_are_rectangles(numbered):
    erased = augment(numbered, erase=0.5)[..., 0] == 0
    assert 90 < erased.any(axis=(1, 2)).sum() < 200
    for mask in erased:
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        assert mask.sum() == len(rows) * len(columns)
        assert len(rows) <= 4
        assert len(columns) <= 3
        if len(rows):
            assert np.ptp(rows) + 1 == len(rows)
            assert np.ptp(columns) + 1 == len(columns)
