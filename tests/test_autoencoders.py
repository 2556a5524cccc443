"""What is special to single autoencoders."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras
from latentknn.models.sparse_ae import kl_penalty, l1_penalty

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


def layer_shapes(network, kind):
    return [layer.output.shape[1:] for layer in network.layers if isinstance(layer, kind)]


# Published architectures


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("deep_ae", [1000, 500, 250, 100]),
        ("denoising_ae", [100, 30]),
        ("sparse_ae", [100, 300]),
        ("dropout_ae", [256, 128, 20]),
    ],
)
def test_dense_architectures(name, widths):
    model = models.create(name)
    assert layer_shapes(model.encoder, keras.layers.Dense) == [(width,) for width in widths]
    decoder_widths = [*widths[-2::-1], 784]
    assert layer_shapes(model.decoder, keras.layers.Dense) == [(width,) for width in decoder_widths]


def test_pool_ae_architecture():
    model = models.create("pool_ae")
    pooled = layer_shapes(model.encoder, keras.layers.MaxPool2D)
    assert pooled == [(14, 14, 16), (7, 7, 32), (3, 3, 64)]
    transposed = layer_shapes(model.decoder, keras.layers.Conv2DTranspose)
    assert transposed == [(7, 7, 32), (14, 14, 16), (28, 28, 1)]
    assert model.latent_dim == 3 * 3 * 64
    assert not layer_shapes(model.encoder, keras.layers.Dense)
    assert layer_shapes(type(model).from_config(model.get_config()).encoder, keras.layers.Dense) == []


@pytest.mark.parametrize("shape", [(28, 27, 1), (13, 9, 3), (2, 1, 2)])
def test_pool_ae_without_a_dense_layer_takes_any_shape(shape):
    model = models.create("pool_ae", input_shape=shape)
    pixels = np.random.default_rng(0).random((3, *shape))
    assert model.reconstruct(pixels).shape == (3, *shape)


def test_pool_ae_needs_filters():
    with pytest.raises(ValueError, match="no filters"):
        models.create("pool_ae", filters=())


# Noise


def outputs(model, images, training):
    return model(keras.ops.convert_to_tensor(images[..., np.newaxis]), training=training)["outputs"].numpy()


@pytest.mark.parametrize(("name", "option"), [("denoising_ae", "noise"), ("dropout_ae", "dropout")])
def test_noise_while_training_only(name, option, images):
    noisy = models.create(name, input_shape=SHAPE)
    assert not np.array_equal(outputs(noisy, images, True), outputs(noisy, images, True))
    assert np.array_equal(outputs(noisy, images, False), outputs(noisy, images, False))
    quiet = models.create(name, input_shape=SHAPE, **{option: 0.0})
    np.testing.assert_allclose(outputs(quiet, images, True), outputs(quiet, images, False), rtol=1e-5)


def test_denoising_removes_noise(images):
    """Images with noise come out nearer to the clean ones than they went in."""
    model = models.create("denoising_ae", input_shape=SHAPE, noise=0.4)
    model.fit(images, epochs=30, verbose=0)
    clean = images / 255
    noise = np.random.default_rng(0).normal(0, 0.4, clean.shape)
    noisy = np.clip(clean + noise, 0, 1)
    restored = model.reconstruct(noisy)[..., 0]
    assert np.mean((restored - clean) ** 2) < 0.6 * np.mean((noisy - clean) ** 2)


# Penalties


def test_penalties_follow_their_formulas():
    codes = np.array([[0.2, 0.9, 0.1], [0.4, 0.7, 0.1]])
    assert l1_penalty(codes).numpy() == pytest.approx(1.2)
    mean = np.array([0.3, 0.8, 0.1])
    expected = np.sum(0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean)))
    assert kl_penalty(codes, 0.1).numpy() == pytest.approx(expected, rel=1e-5)
    assert kl_penalty(np.full((4, 2), 0.1), 0.1).numpy() == pytest.approx(0, abs=1e-6)
    assert np.isfinite(kl_penalty(np.array([[0.0, 1.0]]), 0.1).numpy())


@pytest.mark.parametrize(("penalty", "weight"), [("l1", 0.02), ("kl", 0.5)])
def test_a_penalty_makes_codes_sparse(penalty, weight, images):
    def trained(penalty_weight):
        model = models.create("sparse_ae", input_shape=SHAPE, penalty=penalty, penalty_weight=penalty_weight)
        return model, model.fit(images, epochs=8, verbose=0).history

    sparse, history = trained(weight)
    dense, _ = trained(0.0)
    assert sparse.encode(images).mean() < 0.6 * dense.encode(images).mean()
    total = np.add(history["reconstruction"], history["sparsity"])
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)


def test_default_weights_of_the_penalties():
    weights = {p: models.create("sparse_ae", penalty=p).penalty_weight for p in ("l1", "kl")}
    assert weights == {"l1": 1e-3, "kl": 0.05}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"penalty": "l2"}, "penalty 'l2', expected one of l1, kl"), ({"target": 1.0}, "target 1.0, expected")],
)
def test_impossible_penalties(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("sparse_ae", **options)
