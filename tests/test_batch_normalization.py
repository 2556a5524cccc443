"""Batch normalisation is fused, is that of Keras, and has usable statistics after few batches too."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import JIT_COMPILE, keras, tf
from latentknn.models.layers import conv_networks
from latentknn.models.layers.batch_normalization import BatchNormalization
from small_models import SHAPE, SMALL, every_model, small_model

FUSED = "FusedBatchNormV3"
ON_PROCESSOR = JIT_COMPILE is False


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
    convolutional = {"conditional_ae", "conv_ae", "finetuned", "gan", "metric"}
    convolutional |= {"self_supervised", "triplet", "wgan_gp"}
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
        before.setattr(conv_networks, "Dropout", keras.layers.Dropout)
        old = trained()
        old.save(tmp_path / "model.keras")
        assert "batch_normalization" in str(sorted(h5_names(tmp_path / "model.keras")))
    loaded, new = models.load(tmp_path / "model.keras"), trained()
    assert np.array_equal(loaded.encode(digits.test_images), old.encode(digits.test_images))
    new.save(tmp_path / "new.keras")
    assert h5_names(tmp_path / "new.keras") == h5_names(tmp_path / "model.keras")


def both_layers(shape, **options):
    """Return our layer and Keras's, with the same variables that are not those of the start."""
    layers = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.build(shape)
    weights = [rng.uniform(0.5, 2, weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def trained_once(layer, inputs, jit_compile=None):
    """Return outputs, slopes by inputs and variables, and the variables after a step of training."""
    factors = tf.cast(tf.random.stateless_normal(inputs.shape, (3, 4)), tf.float32)

    @tf.function(jit_compile=jit_compile)
    def step(inputs):
        watched = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(factors * tf.cast(outputs, tf.float32))
        return outputs, *tape.gradient(loss, [inputs, *watched])

    found = step(inputs)
    assert found[0].dtype == layer.compute_dtype
    return [tf.cast(each, tf.float32).numpy() for each in (*found, *layer.weights)]


def operations(layer, inputs, training=True):
    """Return the types of all operations that a call of a layer is made of."""
    traced = tf.function(lambda inputs: layer(inputs, training=training)).get_concrete_function(inputs)
    return {operation.type for operation in traced.graph.get_operations()}


def batch(shape, dtype="float32"):
    return tf.cast(tf.random.stateless_normal(shape, (5, 6), mean=3.0, stddev=2.0), dtype)


@pytest.mark.parametrize("jit_compile", [None, True])
@pytest.mark.parametrize("shape", [(6, 5, 4, 16), (9, 3, 3, 5), (2, 1, 1, 3), (1, 2, 1, 32), (1, 1, 1, 4)])
def test_a_step_of_training_is_that_of_keras(shape, jit_compile):
    """The batch of one value too, of which there is no variance to divide by one value less.

    XLA's variance is the mean of squares without the square of the mean, of which few digits are left where
    there are two values that are near each other.
    """
    inputs = batch(shape)
    ours, plain = both_layers(shape)
    assert (FUSED in operations(ours, inputs)) == ON_PROCESSOR
    ours, plain = both_layers(shape)
    found, expected = (trained_once(layer, inputs, jit_compile) for layer in (ours, plain))
    assert len(found) == len(expected) == 8
    scale = max(1, np.abs(expected[1]).max())
    tolerance = 3e-3 if jit_compile and np.prod(shape[:3]) == 2 else 3e-5
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * scale)


def test_the_running_variance_divides_by_the_number_of_values_as_that_of_keras():
    """Without the correction of Bessel: of two values the fused operation's variance is twice as large."""
    inputs = tf.constant([[[[1.0]]], [[[3.0]]]])
    ours, _ = both_layers(inputs.shape, momentum=0.0)
    ours(inputs, training=True)
    np.testing.assert_allclose([ours.moving_mean.numpy(), ours.moving_variance.numpy()], [[2.0], [1.0]], 1e-6)


@pytest.mark.parametrize(
    "options",
    [{"scale": False}, {"center": False}, {"scale": False, "center": False}, {"momentum": 0.5}, {"axis": 3}],
    ids=str,
)
def test_options_of_keras_count_in_the_fused_operation_too(options):
    inputs = batch((4, 3, 3, 16))
    ours, plain = both_layers(inputs.shape, **options)
    assert (FUSED in operations(ours, inputs)) == ON_PROCESSOR
    ours, plain = both_layers(inputs.shape, **options)
    found, expected = (trained_once(layer, inputs) for layer in (ours, plain))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("channels", [16, 6])
@pytest.mark.parametrize(("dtype", "epsilon"), [("bfloat16", 2**-7), ("float16", 2**-9)])
def test_mixed_precision_is_that_of_keras_up_to_its_rounding(dtype, epsilon, channels):
    inputs = batch((8, 4, 4, channels), dtype)
    ours, plain = both_layers(inputs.shape, dtype=f"mixed_{dtype}")
    assert (FUSED in operations(ours, inputs)) == ON_PROCESSOR
    ours, plain = both_layers(inputs.shape, dtype=f"mixed_{dtype}")
    found, expected = (trained_once(layer, inputs) for layer in (ours, plain))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2 * epsilon, atol=2 * epsilon * np.abs(other).max())
    statistics = (each[-2:] for each in (found, expected))
    np.testing.assert_allclose(*statistics, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "options", "dtype"),
    [
        ((8, 5), {}, "float32"),
        ((8, 5, 3), {}, "float32"),
        ((8, 5, 4, 3), {"axis": 1}, "float32"),
        ((8, 5, 4, 3), {"epsilon": 1e-6}, "float32"),
        ((8, 5, 4, 3), {"dtype": "float64"}, "float64"),
        ((8, 5, 4, 3), {"renorm": True}, "float32"),
    ],
    ids=str,
)
def test_what_the_fused_operation_does_not_do_is_left_to_keras(shape, options, dtype):
    inputs = batch(shape, dtype)
    ours, plain = both_layers(shape, **options)
    assert FUSED not in operations(ours, inputs)
    ours, plain = both_layers(shape, **options)
    found, expected = (trained_once(layer, inputs) for layer in (ours, plain))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_nothing_is_fused_in_a_model_that_xla_compiles():
    model = small_model("conv_ae")
    layer = next(each for each in model._flatten_layers() if isinstance(each, BatchNormalization))
    images = batch((2, 3, 3, layer.moving_mean.shape[0]))
    assert (FUSED in operations(layer, images)) == ON_PROCESSOR
    model.compile(optimizer=model.optimizer, jit_compile=True)
    assert FUSED not in operations(layer, images)


def test_outside_of_training_outputs_are_those_of_keras_to_the_bit():
    inputs = batch((4, 3, 3, 16))
    ours, plain = both_layers(inputs.shape)
    assert np.array_equal(ours(inputs), plain(inputs))
    ours.trainable = plain.trainable = False
    assert np.array_equal(ours(inputs, training=True), plain(inputs, training=True))
    masked = ours(inputs, training=True, mask=tf.ones((4, 3, 3), tf.bool))
    assert np.array_equal(masked, plain(inputs, training=True, mask=tf.ones((4, 3, 3), tf.bool)))


@every_model
def test_every_batch_normalisation_of_images_is_fused_in_training(name):
    """No layer of Keras's is left where there is one of ours."""
    model = models.create(name, input_shape=SHAPE, **SMALL.get(name, {}))
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNormalization)]
    assert all(type(layer) is BatchNormalization for layer in layers)
    assert not [
        layer
        for layer in model._flatten_layers()
        if type(layer) in (keras.layers.BatchNormalization, keras.layers.Dropout)
    ]
    for layer in layers:
        # The generator that averages the trained one is never trained itself.
        if layer.input_spec.ndim == 4 and layer.trainable:
            channels = layer.moving_mean.shape[0]
            assert (FUSED in operations(layer, batch((2, 3, 3, channels)))) == ON_PROCESSOR


def test_a_model_learns_as_with_the_layers_of_keras(digits, monkeypatch):
    """Without dropout, whose random bits are others; the losses of two epochs are the same up to rounding."""

    def losses():
        model = small_model("triplet", dropout=0.0)
        return model.fit(
            digits.train_images[:192], digits.train_labels[:192], batch_size=64, epochs=2, verbose=0
        )

    ours = losses().history["loss"]
    with monkeypatch.context() as before:
        before.setattr(BatchNormalization, "_fuses", lambda self, inputs: False)
        expected = losses().history["loss"]
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.parametrize("new_first", [False, True])
def test_weights_go_from_either_layer_to_the_other(digits, tmp_path, monkeypatch, new_first):
    """An older version has the layers of Keras, and a file of either version is read by the other."""
    model = small_model("conv_ae")
    with monkeypatch.context() as before:
        before.setattr(conv_networks, "BatchNormalization", keras.layers.BatchNormalization)
        before.setattr(conv_networks, "Dropout", keras.layers.Dropout)
        older = small_model("conv_ae")
        first, second = (model, older) if new_first else (older, model)
        first.fit(digits.train_images[:64], batch_size=32, verbose=0)
        first.save_weights(tmp_path / "model.weights.h5")
        second.build_optimizers()
        second.load_weights(tmp_path / "model.weights.h5")
        assert np.array_equal(first.encode(digits.test_images), second.encode(digits.test_images))
        if new_first:
            first.save(tmp_path / "model.keras")
            loaded = models.load(tmp_path / "model.keras")
            assert type(loaded.encoder.layers[2]) is keras.layers.BatchNormalization
            assert np.array_equal(first.encode(digits.test_images), loaded.encode(digits.test_images))
