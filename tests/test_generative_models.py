"""Models that generate images, and their losses."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras
from latentknn.models.generative.adversarial import classification_loss, deception_loss
from latentknn.models.generative.prior import sample_prior
from latentknn.models.generative.vae import normal_divergence

SHAPE = (8, 8, 1)

generative = pytest.mark.parametrize(
    "name", [entry.name for entry in MODELS.values() if "generate" in entry.capabilities]
)


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


def batch(images):
    return keras.ops.convert_to_tensor(images[..., np.newaxis])


# All models that generate images


@generative
def test_the_seed_decides_what_is_generated(name):
    model = models.create(name, input_shape=SHAPE)
    first = model.generate(6, seed=3)
    assert first.shape == (6, *SHAPE)
    assert np.array_equal(first, model.generate(6, seed=3))
    assert np.array_equal(first, model.generate(6, 3))
    assert not np.array_equal(first, model.generate(6))
    assert len(np.unique(first.reshape(6, -1), axis=0)) == 6
    assert model.generate(0).shape == (0, *SHAPE)
    with pytest.raises(ValueError, match="cannot generate -1 images"):
        model.generate(-1)


def test_prior():
    codes = sample_prior(20_000, 3, seed=1)
    assert codes.dtype == np.float32
    assert np.abs(codes.mean(axis=0)).max() < 0.03
    assert np.abs(codes.std(axis=0) - 1).max() < 0.03
    assert np.array_equal(sample_prior(5, 3, seed=1), codes[:5])


# Variational autoencoder


def test_divergence_agrees_with_sampling():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(1, 3)), rng.normal(size=(1, 3))
    z = mean + np.exp(log_variance / 2) * rng.standard_normal((400_000, 3))
    log_q = -0.5 * (log_variance + (z - mean) ** 2 / np.exp(log_variance))
    log_p = -0.5 * z**2
    expected = (log_q - log_p).sum(axis=1).mean()
    assert float(normal_divergence(mean, log_variance)) == pytest.approx(expected, rel=0.01)
    assert float(normal_divergence(np.zeros((2, 3)), np.zeros((2, 3)))) == 0


def test_vae_architectures():
    dense = models.create("vae")
    widths = [layer.units for layer in dense.encoder.layers if isinstance(layer, keras.layers.Dense)]
    assert widths == [150, 100, 2 * 10]
    widths = [layer.units for layer in dense.decoder.layers if isinstance(layer, keras.layers.Dense)]
    assert widths == [100, 150, 784]
    conv = models.create("vae", network="conv")
    filters = [layer.filters for layer in conv.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [32, 64, 64, 64]
    with pytest.raises(ValueError, match="network 'deep', expected dense or conv"):
        models.create("vae", network="deep")


def test_vae_draws_codes_while_training_only(images):
    model = models.create("vae", input_shape=SHAPE)
    x = batch(images)
    drawn = [model(x, training=True)["outputs"].numpy() for _ in range(2)]
    assert not np.array_equal(*drawn)
    assert np.array_equal(model(x)["outputs"].numpy(), model(x)["outputs"].numpy())
    np.testing.assert_allclose(model(x)["outputs"].numpy(), model.reconstruct(images), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(x)["means"].numpy(), model.encode(images), rtol=1e-4, atol=1e-5)


def train_vae(images, **options):
    model = models.create("vae", input_shape=SHAPE, **options)
    history = model.fit(images, batch_size=64, epochs=4, verbose=0, validation_data=images[:20]).history
    total = np.add(history["reconstruction"], history["divergence"])
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert history["loss"][-1] < history["loss"][0]
    assert {"val_reconstruction", "val_divergence"} < set(history)
    return model


def test_vae_trains_towards_the_prior(images):
    near, far = (np.abs(train_vae(images, divergence_weight=w).encode(images)).mean() for w in (30.0, 0.1))
    assert near < 0.5 * far


def test_convolutional_vae(images):
    model = train_vae(images, network="conv", filters=(4, 4), strides=(1, 2))
    assert model.generate(3).shape == (3, *SHAPE)


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_a_loss_of_logits_and_sums_is_that_of_means_times_the_pixels(network, images):
    """With the same weights both are the same up to rounding, and so are codes and images."""
    options = {"network": network, "filters": (4, 4), "strides": (1, 2)}
    means, sums = (small("vae", **options, pixel_loss=loss) for loss in ("mean", "sum"))
    sums.set_weights(means.get_weights())
    x = batch(images)
    found = {}
    for model in (means, sums):
        parts = model.loss_parts(x, None, model(x, training=False))
        found[model.pixel_loss] = [float(parts[name]) for name in ("reconstruction", "divergence")]
    np.testing.assert_allclose(found["sum"], np.multiply(found["mean"], 64), rtol=1e-5)
    assert np.array_equal(sums.encode(images), means.encode(images))
    np.testing.assert_allclose(sums.reconstruct(images), means.reconstruct(images), atol=1e-6)
    np.testing.assert_allclose(sums.generate(3), means.generate(3), atol=1e-6)


def test_a_vae_trains_by_logits_and_sums(images):
    model = train_vae(images, pixel_loss="sum", hidden_units=(32,), activation="relu")
    assert 0 <= model.generate(3).min() <= model.generate(3).max() <= 1
    with pytest.raises(ValueError, match="pixel_loss 'all', expected mean or sum"):
        small("vae", pixel_loss="all")


# Adversarial models


def small(name, **options):
    return models.create(name, input_shape=SHAPE, **options)


SMALL_GAN = {"latent_dim": 6, "noise_dim": 5, "filters": (4, 8), "kernel_size": 3}


def moved(variables, before):
    return [
        not np.array_equal(variable.numpy(), value) for variable, value in zip(variables, before, strict=True)
    ]


def test_turns_while_losses_are_scaled(images):
    """A step of the critic that is skipped because a scaled gradient is infinite is not counted as a turn."""
    model = small("wgan_gp", critic_steps=2, dtype="mixed_float16", **SMALL_GAN)
    model.critic_optimizer.dynamic_scale.assign(1e38)
    model.fit(images[:40], batch_size=10, verbose=0)
    assert int(model.critic_optimizer.iterations) == int(model.optimizer.iterations) == 0
    model.critic_optimizer.dynamic_scale.assign(1)
    model.optimizer.dynamic_scale.assign(1)
    model.fit(images[:60], batch_size=10, verbose=0)
    assert int(model.critic_optimizer.iterations) == 6
    assert int(model.optimizer.iterations) == 3


@pytest.mark.parametrize(("steps", "expected"), [(1, 6), (4, 1)])
def test_turns_of_critic_and_generator(steps, expected, images):
    model = small("wgan_gp", critic_steps=steps, **SMALL_GAN)
    model.fit(images[:60], batch_size=10, verbose=0)
    assert int(model.critic_optimizer.iterations) == 6
    assert int(model.optimizer.iterations) == expected


@pytest.mark.parametrize("name", ["gan", "wgan_gp"])
def test_each_side_trains_its_own_variables(name, images):
    model = small(name, **SMALL_GAN)
    assert len(model.judged_variables) + len(model.critic_variables) == len(model.trainable_variables)
    real = 2.0 * images[:16, ..., np.newaxis].astype(np.float32) / 255 - 1

    def train(step):
        sides = model.critic_variables, model.judged_variables
        before = [[variable.numpy() for variable in side] for side in sides]
        step(keras.ops.convert_to_tensor(real))
        return [moved(side, values) for side, values in zip(sides, before, strict=True)]

    critic, generator = train(model._train_critic)
    assert any(critic)
    assert not any(generator)
    critic, generator = train(model._train_generator)
    assert not any(critic)
    assert all(generator)


def test_gradient_penalty_of_a_linear_critic(images):
    """The gradient of a linear critic equals its weights everywhere."""
    model = small("wgan_gp", **SMALL_GAN)
    weights = np.random.default_rng(0).standard_normal((64, 1)).astype(np.float32)
    model.score = lambda x, training: keras.ops.reshape(x, (-1, 64)) @ weights
    real, generated = (
        keras.ops.convert_to_tensor(np.random.default_rng(s).random((9, *SHAPE), np.float32)) for s in (1, 2)
    )
    expected = (np.linalg.norm(weights) - 1) ** 2
    assert float(model.gradient_penalty(real, generated, training=True)) == pytest.approx(expected, rel=1e-4)
    distance = float(keras.ops.mean(model.score(real, True)) - keras.ops.mean(model.score(generated, True)))
    total = float(model.critic_loss(real, generated, training=True))
    assert total == pytest.approx(10 * expected - distance, rel=1e-4)


def test_gan_losses_are_cross_entropies():
    real, false = np.array([[2.0], [-1.0]], np.float32), np.array([[0.5], [3.0]], np.float32)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(false)).mean()
    assert float(classification_loss(real, false)) == pytest.approx(expected, rel=1e-5)
    assert float(deception_loss(false)) == pytest.approx(-np.log(sigmoid(false)).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["gan", "wgan_gp"])
def test_images_are_generated_by_running_means(name, images):
    model = small(name, averaging=0.4, **SMALL_GAN)
    real = keras.ops.convert_to_tensor(2.0 * images[:16, ..., np.newaxis].astype(np.float32) / 255 - 1)
    expected = [weight.numpy() for weight in model.averaged_generator.weights]
    for turn in (1, 2, 3, 40):
        model.optimizer.iterations.assign(turn - 1)
        model._train_generator(real)
        momentum = min(0.4, (1 + turn) / (10 + turn))
        now = [weight.numpy() for weight in model.generator.weights]
        expected = [momentum * mean + (1 - momentum) * new for mean, new in zip(expected, now, strict=True)]
    for mean, wanted in zip(model.averaged_generator.weights, expected, strict=True):
        np.testing.assert_allclose(mean.numpy(), wanted, rtol=1e-4, atol=1e-6)

    before = model.generate(3)
    model.generator.set_weights([0 * weight for weight in now])
    assert np.array_equal(model.generate(3), before)


def test_no_running_means(images):
    model = small("gan", averaging=0.0, **SMALL_GAN)
    model.fit(images[:60], batch_size=10, verbose=0)
    for mean, weight in zip(model.averaged_generator.weights, model.generator.weights, strict=True):
        assert np.array_equal(mean.numpy(), weight.numpy())
    with pytest.raises(ValueError, match=r"averaging 1\.0"):
        small("gan", averaging=1.0, **SMALL_GAN)


@pytest.mark.parametrize("name", ["gan", "wgan_gp"])
def test_codes_are_what_the_score_is_computed_from(name, images):
    model = small(name, **SMALL_GAN)
    kernel, bias = (variable.numpy() for variable in model.head.trainable_variables)
    scores = model(batch(images)).numpy()
    np.testing.assert_allclose(model.encode(images) @ kernel + bias, scores, rtol=1e-3, atol=1e-5)


def test_adversarial_training_spreads_the_codes(images):
    def spread(deception_weight):
        model = small("adversarial_ae", latent_dim=2, hidden_units=(32,), deception_weight=deception_weight)
        history = model.fit(images, batch_size=32, epochs=25, verbose=0, validation_data=images[:20]).history
        assert {"critic_loss", "deception", "reconstruction", "val_critic_loss"} < set(history)
        total = np.add(history["reconstruction"], history["deception"])
        np.testing.assert_allclose(history["loss"], total, rtol=1e-4)
        codes = model.encode(images)
        return np.abs(codes.mean(axis=0)).max() + np.abs(codes.std(axis=0) - 1).max()

    assert spread(0.3) < 0.5 * spread(0.0)
