"""Batch normalisation has usable statistics after few batches too."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras, tf
from latentknn.models.layers import conv_networks
from latentknn.models.layers.batch_normalization import BatchNormalization
from small_models import SHAPE, SMALL, every_model, small_model


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def h5_names(path):
    """Return the names of all tensors in a model's file."""
    names = set()
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        h5py.File(io.BytesIO(file.read())).visit(names.add)
    return names


def test_a_short_training_serves_outside_of_it(digits):
    """By the rule of Keras, 70 batches left half of the first statistics, and the accuracy was 0.43."""
    model = models.create("triplet", input_shape=SHAPE)
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    model.fit(images, labels, epochs=10, batch_size=32, verbose=0)
    held_out = model.evaluate(digits.test_images, digits.test_labels, verbose=0, return_dict=True)
    assert held_out["accuracy"] > 0.75


def test_a_short_training_rebuilds_what_it_has_seen(digits):
    model = models.create("conv_ae", input_shape=SHAPE, dropout=0.0)
    images = digits.train_images[:200]
    history = model.fit(images, epochs=10, batch_size=32, verbose=0).history
    assert model.evaluate(images, verbose=0) < 1.2 * history["loss"][-1]


@every_model
def test_every_batch_normalisation_counts_the_steps_of_its_model(name):
    options = {"autoencoder": "conv_ae"} if name == "finetuned" else SMALL.get(name, {})
    model = models.create(name, input_shape=SHAPE, **options)
    model.optimizer.iterations.assign(7)
    layers = [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert [int(layer.count_steps()) for layer in layers] == [7] * len(layers)
    convolutional = {"conditional_ae", "conv_ae", "finetuned", "gan", "metric", "triplet", "wgan_gp"}
    assert bool(layers) == (name in convolutional)


@pytest.mark.parametrize("steps", [0, 1, 5, 100, 2000])
def test_statistics_begin_with_the_first_batch_and_end_as_those_of_keras(steps):
    """After many batches both agree; after few, the statistics are those of the batches."""
    rng = np.random.default_rng(0)
    count = tf.Variable(0)
    ours, plain = BatchNormalization(), keras.layers.BatchNormalization()
    ours.count_steps = lambda: count

    @tf.function
    def see(batch):
        ours(batch, training=True)
        plain(batch, training=True)

    for step in range(steps + 1):
        count.assign(step)
        see(tf.constant(rng.normal(5, 2, (32, 3)), tf.float32))
    assert ours.momentum == plain.momentum == 0.99
    found, of_keras = ([each.numpy() for each in layer.weights[2:]] for layer in (ours, plain))
    if steps == 2000:
        np.testing.assert_allclose(found, of_keras, rtol=2e-4)
    else:
        np.testing.assert_allclose(found, [[5] * 3, [4] * 3], rtol=0.7 if steps < 100 else 0.3)
        assert np.abs(found[0] - 5).max() < np.abs(of_keras[0] - 5).max()


def test_files_with_the_layers_of_keras_are_loaded(digits, tmp_path, monkeypatch):
    def trained():
        model = small_model("conv_ae")
        model.fit(digits.train_images[:64], batch_size=32, verbose=0)
        return model

    with monkeypatch.context() as before:
        before.setattr(conv_networks, "BatchNormalization", keras.layers.BatchNormalization)
        old = trained()
        old.save(tmp_path / "model.keras")
        assert "batch_normalization" in str(sorted(h5_names(tmp_path / "model.keras")))
    loaded, new = models.load(tmp_path / "model.keras"), trained()
    assert np.array_equal(loaded.encode(digits.test_images), old.encode(digits.test_images))
    new.save(tmp_path / "new.keras")
    assert h5_names(tmp_path / "new.keras") == h5_names(tmp_path / "model.keras")
