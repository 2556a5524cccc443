"""Properties of single autoencoders, which other models do not have."""

import inspect

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.autoencoders.dense_presets import PRESETS
from latentknn.models.autoencoders.sparse_ae import kl_penalty, l1_penalty
from latentknn.models.backend import keras
from latentknn.models.layers.code_whitening import CodeWhitening
from latentknn.models.training.one_cycle import OneCycle

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


@pytest.mark.parametrize("name", PRESETS)
def test_the_constructor_of_a_preset_shows_its_options(name):
    made_by = models.MODELS[name].load_class()
    for signature in (inspect.signature(made_by), inspect.signature(made_by.__init__)):
        shown = {
            parameter.name: parameter.default
            for parameter in signature.parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        assert shown == PRESETS[name].options
    assert made_by.registry_name == name
    assert ("noise" in shown, "dropout" in shown) == (name == "denoising_ae", name == "dropout_ae")


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


def test_pool_ae_without_filters_is_refused():
    with pytest.raises(ValueError, match="no filters"):
        models.create("pool_ae", filters=())


# Noise


def outputs(model, images, training):
    return model(keras.ops.convert_to_tensor(images[..., np.newaxis]), training=training)["outputs"].numpy()


@pytest.mark.parametrize(("name", "option"), [("denoising_ae", "noise"), ("dropout_ae", "dropout")])
def test_noise_is_added_while_training_only(name, option, images):
    noisy = models.create(name, input_shape=SHAPE)
    assert not np.array_equal(outputs(noisy, images, True), outputs(noisy, images, True))
    assert np.array_equal(outputs(noisy, images, False), outputs(noisy, images, False))
    quiet = models.create(name, input_shape=SHAPE, **{option: 0.0})
    np.testing.assert_allclose(outputs(quiet, images, True), outputs(quiet, images, False), rtol=1e-5)


def test_denoising_removes_noise(images):
    """The reconstruction of a noisy image is nearer to the clean image than the noisy image is."""
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
def test_impossible_penalties_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("sparse_ae", **options)


# Whitening


def whitening_of(codes, strength):
    """Return a layer that has seen the codes in batches of 50 until its averages have converged."""
    layer = CodeWhitening(strength)
    for _ in range(40):
        for start in range(0, len(codes), 50):
            batch = keras.ops.convert_to_tensor(codes[start : start + 50])
            assert np.array_equal(layer(batch, training=True), batch)
    return layer


def anisotropic_codes(deviations):
    """Return 1,000 codes with these standard deviations along rotated directions."""
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.normal(size=(len(deviations), len(deviations))))
    return (3 + rng.normal(size=(1000, len(deviations))) * deviations @ turned).astype(np.float32), turned


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_whitening_evens_out_the_variances_by_its_strength(strength):
    deviations = np.array([8.0, 2.0, 0.5, 0.1])
    codes, turned = anisotropic_codes(deviations)
    layer = whitening_of(codes, strength)
    whitened = layer.whiten(codes).numpy()
    assert whitened.dtype == np.float32
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=0.2)
    expected = turned.T @ np.diag(deviations ** (2 * (1 - strength))) @ turned
    spread = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(whitened.T) / spread, expected / spread, atol=0.15)
    np.testing.assert_allclose(layer.restore(whitened), codes, atol=2e-3)


def test_few_batches_are_enough_to_whiten():
    codes, _ = anisotropic_codes(np.array([0.1, 0.01]))
    layer = CodeWhitening(1.0)
    layer(codes, training=True)
    whitened = layer.whiten(codes).numpy()
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(2), atol=1e-3)


@pytest.mark.parametrize(
    ("variances", "factors"),
    [
        ([4, 1, 0], [0.5, 1, 1 / np.sqrt(4e-6)]),
        # Rounding may make this variance negative.
        ([4, 1, -1e-8], [0.5, 1, 1 / np.sqrt(4e-6)]),
        ([0, 0, 0], [1, 1, 1]),
    ],
)
def test_directions_that_no_code_uses(variances, factors):
    layer = CodeWhitening(1.0)
    layer.build((None, 3))
    layer.covariance.assign(np.diag(variances))
    layer.seen.assign(1.0)
    np.testing.assert_allclose(layer.whiten(np.eye(3, dtype=np.float32)), np.diag(factors), rtol=1e-5)
    np.testing.assert_allclose(layer.restore(layer.whiten(np.eye(3))), np.eye(3), atol=1e-6)


def test_before_any_training_codes_stay_as_they_are():
    layer = CodeWhitening(0.5)
    layer.build((None, 2))
    codes = np.array([[1, -2], [0.5, 3]], np.float32)
    assert np.array_equal(layer.whiten(codes), codes)
    assert np.array_equal(layer.restore(codes), codes)


def test_batches_of_one_code_are_centred_alone():
    layer = CodeWhitening(1.0)
    for _ in range(3):
        layer(keras.ops.ones((1, 2)), training=True)
    np.testing.assert_allclose(layer.whiten(np.array([[1.0, 3.0]])), [[0, 2]], atol=1e-6)


def test_whitening_of_a_training_that_diverged_gives_codes_that_are_not_finite():
    layer = CodeWhitening(0.5)
    # The square of such a code is infinite.
    layer(keras.ops.full((4, 3), 1e30), training=True)
    layer(-keras.ops.full((4, 3), 1e30), training=True)
    layer(keras.ops.convert_to_tensor(np.diag([1e30, 1, 1]).astype(np.float32)), training=True)
    assert not np.isfinite(layer.whiten(np.ones((2, 3), np.float32)).numpy()).any()


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_impossible_whitening_is_refused(strength):
    with pytest.raises(ValueError, match=f"whitening of {strength}, expected 0"):
        models.create("conv_ae", whitening=strength)


def small_conv(**options):
    return models.create("conv_ae", input_shape=SHAPE, filters=(4, 4), strides=(1, 2), dropout=0.0, **options)


def test_codes_are_whitened_and_decoded_from_there(images):
    model = small_conv(latent_dim=5, whitening=1.0, one_cycle=True, learning_rate=0.01)
    model.fit(images, epochs=50, batch_size=32, verbose=0)
    codes, raw = model.encode(images), model(images[..., np.newaxis])["codes"].numpy()
    variances, raw_variances = (np.linalg.eigvalsh(np.cov(each.T)) for each in (codes, raw))
    assert variances.max() < 2 * variances.min()
    assert raw_variances.max() > 4 * raw_variances.min()
    np.testing.assert_allclose(model.decode(codes)[..., 0], outputs(model, images, False)[..., 0], atol=1e-4)


@pytest.mark.parametrize("options", [{"shift": 2}, {"mirror": True}])
def test_changed_images_are_encoded_and_unchanged_ones_compared(options, images):
    changing, still = small_conv(**options), small_conv()
    assert np.array_equal(changing.encode(images), still.encode(images))
    batch = images[..., np.newaxis]
    drawn = [changing(batch, training=True)["codes"].numpy() for _ in range(2)]
    assert not np.array_equal(*drawn)
    given = [still(batch, training=True)["codes"].numpy() for _ in range(2)]
    assert np.array_equal(*given)
    outputs = changing(batch, training=True)["outputs"]
    expected = np.mean((outputs.numpy() - batch / 255) ** 2)
    loss = changing.compute_loss(keras.ops.convert_to_tensor(batch), None, {"outputs": outputs})
    assert loss.numpy() == pytest.approx(expected, rel=1e-4)


def test_conv_ae_has_a_cycle_if_asked_for():
    assert small_conv().schedule(10) == []
    (callback,) = small_conv(one_cycle=True, learning_rate=0.3).schedule(10)
    assert isinstance(callback, OneCycle)
    assert (callback.peak, callback.total_steps) == (0.3, 10)
