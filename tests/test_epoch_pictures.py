"""After every epoch of a run there are pictures of what the model rebuilds and generates."""

import numpy as np
import pytest
from matplotlib.image import imread

from latentknn.datasets import load
from latentknn.evaluation import generate_images, run_experiment
from latentknn.report.epoch_pictures import EpochPictures, mosaic
from small_models import small_model


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def cells(picture, height=8, width=8):
    """Return the images of a mosaic, each pixel once."""
    once = picture[::2, ::2, 0]
    rows, columns = len(once) // height, once.shape[1] // width
    return once.reshape(rows, height, columns, width).swapaxes(1, 2).reshape(-1, height, width)


def test_every_epoch_has_fifty_pairs_and_a_hundred_generated_images(digits, tmp_path):
    model = small_model("simple_ae")
    experiment = run_experiment(
        digits, model, epochs=2, verbose=0, seed=3, callbacks=[EpochPictures(tmp_path / "new", digits, 3)]
    )
    assert names(tmp_path / "new") == [
        f"{kind}_{epoch:04}.png" for kind in ("generated", "reconstructions") for epoch in (1, 2)
    ]
    rebuilt = cells(imread(tmp_path / "new" / "reconstructions_0002.png")).reshape(5, 2, 10, 8, 8)
    originals, decoded = (rebuilt[:, side].reshape(50, 8, 8) for side in (0, 1))
    held_out = digits.train_images[experiment.held_out]
    where = [np.flatnonzero((held_out == np.rint(each * 255)).all(axis=(1, 2))) for each in originals]
    assert all(len(found) > 0 for found in where)
    labels = digits.train_labels[experiment.held_out][[found[0] for found in where]]
    assert np.bincount(labels, minlength=10).min() >= 4
    expected = model.reconstruct(np.rint(originals * 255).astype(np.uint8))[..., 0]
    np.testing.assert_allclose(decoded, expected, atol=0.51 / 255)

    generated = cells(imread(tmp_path / "new" / "generated_0002.png"))
    kept = np.setdiff1d(np.arange(len(digits.train_labels)), experiment.held_out)[:2000]
    expected = generate_images(model, 100, digits.train_images[kept], digits.train_labels[kept], 3)
    np.testing.assert_allclose(generated, expected[..., 0], atol=0.51 / 255)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("vae", {"generated", "reconstructions"}),
        ("conditional_ae", {"generated", "reconstructions"}),
        ("gan", {"generated"}),
        ("triplet", set()),
    ],
)
def test_models_have_the_pictures_that_they_can_have(digits, tmp_path, name, kinds):
    model = small_model(name)
    pictures = EpochPictures(tmp_path, digits, 0)
    model.fit(digits.train_images[:64], digits.train_labels[:64], verbose=0, callbacks=[pictures])
    assert names(tmp_path) == sorted(f"{kind}_0001.png" for kind in kinds)


def test_an_epoch_that_diverged_has_no_pictures(digits, tmp_path):
    pictures = EpochPictures(tmp_path / "new", digits, 0)
    pictures.set_model(small_model("simple_ae"))
    pictures.on_epoch_end(0, {"loss": float("nan")})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("channels", "shape"), [(1, (16, 60)), (2, (16, 60)), (3, (16, 60, 3))])
def test_a_mosaic_has_ten_images_in_a_row_and_black_where_there_are_none(channels, shape):
    images = np.arange(1, 12, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 3, channels)) / 20
    picture = mosaic(images.astype(np.float32))
    assert picture.shape == shape
    of_cells = picture.reshape(2, 8, 10, 6, -1).mean(axis=(1, 3, 4)).ravel()
    np.testing.assert_allclose(of_cells, [*np.arange(1, 12) / 20, *[0] * 9], rtol=1e-6)
