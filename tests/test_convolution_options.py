"""Kernels and batch normalisation of those convolutional models that were published without the latter."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras
from small_models import SHAPE, small_model, train

KINDS = {"pool_ae": {}, "vae": {"network": "conv", "filters": (4, 4), "strides": (1, 2)}, "vqvae": {}}
every_kind = pytest.mark.parametrize("name", KINDS)


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:96]


def layers_of(model, kinds):
    # The prior of vqvae has convolutions of its own, which belong to no option.
    networks = (model.encoder, model.decoder)
    return [layer for network in networks for layer in network.layers if isinstance(layer, kinds)]


def saved_and_loaded(model, tmp_path, images):
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert loaded.encode(images).tobytes() == model.encode(images).tobytes()
    return loaded


@pytest.mark.parametrize("kernel_size", [4, 5])
@every_kind
def test_kernels_have_the_size_that_is_asked_for(name, kernel_size, images, tmp_path):
    model = small_model(name, **KINDS[name], kernel_size=kernel_size)
    convolutions = layers_of(model, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    sizes = [layer.kernel_size for layer in convolutions]
    # That of the vectors turns each into one of another length.
    assert sizes.count((kernel_size, kernel_size)) == len(sizes) - (name == "vqvae") >= 3
    train(model, images)
    assert saved_and_loaded(model, tmp_path, images).kernel_size == kernel_size


@pytest.mark.parametrize("batch_normalization", [False, True])
@every_kind
def test_batch_normalisation_is_as_asked_for(name, batch_normalization, images, tmp_path):
    model = small_model(name, **KINDS[name], batch_normalization=batch_normalization)
    found = layers_of(model, keras.layers.BatchNormalization)
    expected = {"pool_ae": 3, "vae": 3, "vqvae": 2}[name]
    assert len(found) == (expected if batch_normalization else 0)
    train(model, images)
    assert all((layer.moving_mean.numpy() != 0).any() for layer in found)
    assert saved_and_loaded(model, tmp_path, images).batch_normalization == batch_normalization


@pytest.mark.parametrize("kernel_size", [3, 4, 5, 6])
@pytest.mark.parametrize("shape", [(7, 5, 3), (9, 8, 2), (1, 1, 1)])
@pytest.mark.parametrize("name", ["pool_ae", "vqvae"])
def test_any_kernel_rebuilds_images_of_any_shape(name, shape, kernel_size):
    model = models.create(
        name,
        input_shape=shape,
        kernel_size=kernel_size,
        batch_normalization=True,
        **{"pool_ae": {"filters": (4, 8)}, "vqvae": {"filters": (4,), "codebook_size": 8}}[name],
    )
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    assert model.reconstruct(pixels).shape == (3, *shape)


@pytest.mark.parametrize(("name", "least"), [("pool_ae", 3), ("vae", 1), ("vqvae", 1)])
def test_kernels_that_are_too_small_are_refused(name, least):
    message = f"received kernel_size {least - 1}, expected at least {least}"
    with pytest.raises(ValueError, match=message):
        models.create(name, input_shape=SHAPE, kernel_size=least - 1, **KINDS[name])
