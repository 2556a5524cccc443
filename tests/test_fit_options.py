"""``fit`` takes what Keras's ``fit`` takes: weights, a split, the order, the length of epochs, other data."""

import numpy as np
import pytest

from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras, tf
from latentknn.models.training.batches import training_batches
from small_models import LABELS, assert_same_bits, small_model, state

WEIGHABLE = sorted(set(MODELS) - {"adversarial_ae", "gan", "self_supervised", "triplet", "vqvae", "wgan_gp"})


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


def weights_of(model):
    return [np.asarray(weight) for weight in model.get_weights()]


def assert_close(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)


def one_step(model, images, labels, **options):
    """Train one batch of all images by plain gradient descent."""
    model.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss="mse"
        if "decode" in model.capabilities
        else keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    options = {"verbose": 0, "batch_size": len(images)} | options
    return model.fit(images, labels, **options).history


# Weights


def without_noise(name):
    """Return a small model that computes every image for itself and draws nothing at random."""
    quiet = {
        "conditional_ae": {"dropout": 0.0, "class_loss_weight": 0.3},
        "conv_ae": {"dropout": 0.0, "shift": 0, "whitening": 0.0},
        "denoising_ae": {"noise": 0.0},
        "dropout_ae": {"dropout": 0.0},
        "finetuned": {"pretraining_epochs": 0},
        "metric": {"shift": 0, "mirror": False, "erase": 0.0},
    }
    model = small_model(name, **quiet.get(name, {}))
    for layer in model._flatten_layers():
        if "BatchNormalization" in type(layer).__name__:
            layer.trainable = False
    return model


@pytest.mark.parametrize("name", [name for name in WEIGHABLE if name not in ("vae", "metric")])
def test_images_of_weight_zero_are_absent(images, name):
    """The loss of a batch is divided by all its images, so that the others count twice in half a batch."""
    images, labels = images[:64], LABELS[:64]
    weights = np.tile([2.0, 0.0], 32)
    weighted, alone = without_noise(name), without_noise(name)
    before = weights_of(weighted)
    first = one_step(weighted, images, labels, sample_weight=weights)
    second = one_step(alone, images[::2], labels[::2])
    assert_close(weights_of(weighted), weights_of(alone))
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    assert any(
        not np.array_equal(one, other) for one, other in zip(weights_of(weighted), before, strict=True)
    )


def test_weights_of_a_distribution_of_codes(images):
    """A variational autoencoder draws noise for every image of the batch, so that its losses are compared."""
    model = small_model("vae")
    outputs = model(images[:8] / np.float32(255), training=False)
    x = tf.constant(images[:8, ..., None])
    parts = [
        model.loss_parts(x[i : i + 1], None, {k: v[i : i + 1] for k, v in outputs.items()}) for i in range(8)
    ]
    weights = np.linspace(0, 2, 8, dtype=np.float32)
    weighted = model.loss_parts(x, None, outputs, tf.constant(weights))
    for name, value in weighted.items():
        expected = np.mean([float(part[name]) * weight for part, weight in zip(parts, weights, strict=True)])
        assert float(value) == pytest.approx(expected, rel=1e-5), name


@pytest.mark.parametrize("penalty", ["l1", "kl"])
def test_weights_of_a_sparse_code(images, penalty):
    weights = np.tile([2.0, 0.0], 32)
    weighted, alone = (small_model("sparse_ae", penalty=penalty) for _ in range(2))
    one_step(weighted, images[:64], None, sample_weight=weights)
    one_step(alone, images[:64:2], None)
    assert_close(weights_of(weighted), weights_of(alone))


def test_a_weighted_training_is_that_of_keras(images):
    """A plain Keras model of the same layers, weights and batches comes to the same weights."""
    model = small_model("simple_ae")
    twin = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.models.clone_model(model.encoder),
            keras.models.clone_model(model.decoder),
        ]
    )
    for name in (0, 1):
        twin.layers[name].set_weights((model.encoder, model.decoder)[name].get_weights())
    sample_weight = np.random.default_rng(0).random(256)
    scaled = (images / 255).astype(np.float32)[..., None]
    for each in (model, twin):
        each.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(images, epochs=2, batch_size=64, shuffle=False, sample_weight=sample_weight, verbose=0)
    # Keras compares a weight with a row of pixels, so that it gets one for each of them.
    rows = np.broadcast_to(sample_weight[:, None, None], (256, 8, 8)).copy()
    twin.fit(scaled, scaled, epochs=2, batch_size=64, shuffle=False, sample_weight=rows, verbose=0)
    assert_close(weights_of(model.encoder) + weights_of(model.decoder), weights_of(twin))


def test_weights_of_classes_are_weights_of_their_images(images):
    class_weight = {0: 0.0, 3: 2.5}
    sample_weight = np.select([LABELS == 0, LABELS == 3], [0.0, 2.5], 1.0)
    for name, labels in (("simple_ae", LABELS), ("finetuned", LABELS)):
        options = {"epochs": 2, "batch_size": 64, "verbose": 0}
        by_class, by_image = small_model(name), small_model(name)
        if name == "finetuned":
            by_class, by_image = (small_model(name, pretraining_epochs=0) for _ in range(2))
        by_class.fit(images, labels, class_weight=class_weight, **options)
        by_image.fit(images, labels, sample_weight=sample_weight, **options)
        assert_same_bits(state(by_class), state(by_image))


def test_a_dataset_holds_weights_as_arrays_do(images):
    sample_weight = np.random.default_rng(0).random(256)
    from_arrays, from_dataset, by_class = (small_model("finetuned", pretraining_epochs=0) for _ in range(3))
    options = {"epochs": 2, "verbose": 0}
    from_arrays.fit(images, LABELS, batch_size=64, shuffle=False, sample_weight=sample_weight, **options)
    dataset = tf.data.Dataset.from_tensor_slices((images, LABELS, sample_weight)).batch(64)
    from_dataset.fit(dataset, **options)
    assert_same_bits(weights_of(from_arrays), weights_of(from_dataset))
    labelled = tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(64)
    by_class.fit(labelled, class_weight={1: 0.0, 2: 3.0}, **options)
    again = small_model("finetuned", pretraining_epochs=0)
    again.fit(images, LABELS, batch_size=64, shuffle=False, class_weight={1: 0.0, 2: 3.0}, **options)
    assert_same_bits(weights_of(by_class), weights_of(again))


def test_validation_images_may_have_weights(images):
    model = small_model("finetuned", pretraining_epochs=0)
    half = np.tile([2.0, 0.0], 32)
    options = {"epochs": 1, "verbose": 0, "batch_size": 256}
    weighted = model.fit(images, LABELS, validation_data=(images[:64], LABELS[:64], half), **options)
    expected = model.evaluate(images[:64:2], LABELS[:64:2], verbose=0, return_dict=True)
    assert weighted.history["val_loss"][0] == pytest.approx(expected["loss"], rel=1e-5)
    loss = model.evaluate(images[:64], LABELS[:64], sample_weight=half, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(WEIGHABLE)))
def test_models_that_learn_from_images_together_refuse_weights(images, name):
    model = small_model(name)
    before = state(model)
    for weights in ({"sample_weight": np.ones(256)}, {"class_weight": {1: 2.0}}):
        with pytest.raises(ValueError, match=f"{name} takes no sample_weight and no class_weight"):
            model.fit(images, LABELS, verbose=0, **weights)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        model.fit(images, LABELS, validation_data=(images, LABELS, np.ones(256)), verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((images, LABELS, np.ones(256))).batch(64)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        model.fit(dataset, verbose=0)
    assert_same_bits(state(model), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.ones(255)}, r"sample_weight of shape \(255,\).* for 256 images"),
        ({"sample_weight": np.full(256, -1.0)}, r"sample_weight -1.0 at place 0, expected finite numbers"),
        ({"sample_weight": np.full(256, np.nan)}, "sample_weight nan at place 0"),
        ({"sample_weight": ["a"] * 256}, "expected one number for every image"),
        ({"class_weight": {10: 1.0}}, "class_weight for class 10, expected classes 0 to 9"),
        ({"class_weight": {"1": 1.0}}, "expected classes 0 to 9"),
        ({"class_weight": {1: np.inf}}, "class_weight inf"),
        (
            {"class_weight": {1: 1.0}, "sample_weight": np.ones(256)},
            "sample_weight and class_weight; pass one",
        ),
        ({"validation_split": 1.0}, "validation_split 1.0, expected from 0 to below 1"),
        ({"validation_split": 0.99}, None),
        ({"validation_split": 0.9999}, "leaves none on one side"),
        ({"steps_per_epoch": 0}, "steps_per_epoch 0, expected at least 1"),
        ({"initial_epoch": -1}, "initial_epoch -1, expected at least 0"),
        ({"initial_epoch": 1, "resume": True}, "leave initial_epoch out"),
    ],
)
def test_wrong_options_are_refused(images, options, message):
    model = small_model("finetuned", pretraining_epochs=0)
    before = state(model)
    if message is None:
        model.fit(images, LABELS, verbose=0, **options)
        return
    with pytest.raises(ValueError, match=message):
        model.fit(images, LABELS, verbose=0, **options)
    assert_same_bits(state(model), before)


def test_weights_without_labels_are_refused(images):
    with pytest.raises(ValueError, match="class_weight needs labels: pass them as y"):
        small_model("simple_ae").fit(images, class_weight={1: 2.0}, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(64)
    with pytest.raises(ValueError, match=r"class_weight needs batches of \(images, labels\)"):
        small_model("simple_ae").fit(dataset, class_weight={1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="leave sample_weight out"):
        small_model("simple_ae").fit(dataset, sample_weight=np.ones(256), verbose=0)


# The split, the order, the length of epochs


def test_a_validation_split_is_the_last_part_as_in_keras(images):
    split, given = small_model("finetuned"), small_model("finetuned")
    options = {"epochs": 2, "batch_size": 64, "verbose": 0}
    first = split.fit(images, LABELS, validation_split=0.3, **options).history
    place = int(256 * 0.7)
    last = (images[place:], LABELS[place:])
    second = given.fit(images[:place], LABELS[:place], validation_data=last, **options).history
    assert first == second
    assert_same_bits(state(split), state(given))


def test_validation_data_come_before_a_split(images):
    options = {"batch_size": 64, "verbose": 0, "validation_data": images[:50]}
    with_split = small_model("simple_ae").fit(images, validation_split=0.5, **options).history
    assert with_split == small_model("simple_ae").fit(images, **options).history


def test_images_are_trained_in_their_order_without_a_shuffle(images):
    unshuffled, dataset = small_model("simple_ae"), small_model("simple_ae")
    unshuffled.fit(images, batch_size=64, epochs=2, shuffle=False, verbose=0)
    dataset.fit(tf.data.Dataset.from_tensor_slices(images).batch(64), epochs=2, verbose=0)
    assert_same_bits(weights_of(unshuffled), weights_of(dataset))
    shuffled = small_model("simple_ae")
    shuffled.fit(images, batch_size=64, epochs=2, verbose=0)
    assert any(
        not np.array_equal(a, b) for a, b in zip(weights_of(shuffled), weights_of(unshuffled), strict=True)
    )


def test_an_initial_epoch_goes_on_as_one_training(images):
    whole, parts = small_model("simple_ae"), small_model("simple_ae")
    whole.fit(images, batch_size=64, epochs=3, verbose=0)
    parts.fit(images, batch_size=64, epochs=1, verbose=0)
    history = parts.fit(images, batch_size=64, epochs=3, initial_epoch=1, verbose=0)
    assert history.epoch == [1, 2]
    assert_same_bits(state(parts), state(whole))
    assert parts.fit(images, epochs=3, initial_epoch=3, verbose=0).epoch == []


@pytest.mark.parametrize("steps", [1, 3, 4, 6])
def test_epochs_of_some_steps_follow_each_other(images, steps):
    """Epochs of 64 images a batch are cut out of passes of four batches."""
    few, whole = small_model("simple_ae"), small_model("simple_ae")
    history = few.fit(images, batch_size=64, epochs=4, steps_per_epoch=steps, verbose=0)
    assert history.epoch == [0, 1, 2, 3]
    assert int(few.optimizer.iterations) == 4 * steps
    stream = training_batches((images,), 64, 0, 0, 6).take(4 * steps)
    for (batch,) in stream:
        whole.train_on_batch(batch.numpy())
    assert_same_bits(weights_of(few), weights_of(whole))


def test_a_training_of_some_steps_is_resumed(images, tmp_path):
    options = {"batch_size": 64, "steps_per_epoch": 3, "verbose": 0}
    whole, resumed = small_model("simple_ae"), small_model("simple_ae")
    whole.fit(images, epochs=3, **options)
    small_model("simple_ae").fit(images, epochs=1, checkpoint_dir=tmp_path, **options)
    resumed.fit(images, epochs=3, checkpoint_dir=tmp_path, resume=True, **options)
    assert_same_bits(state(resumed), state(whole))
    with pytest.raises(ValueError, match="steps_per_epoch was 3 and is None"):
        small_model("simple_ae").fit(images, batch_size=64, checkpoint_dir=tmp_path, resume=True)


def test_a_dataset_without_an_end_has_epochs_of_some_steps(images):
    endless, whole = small_model("simple_ae"), small_model("simple_ae")
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(64)
    endless.fit(dataset.repeat(), epochs=2, steps_per_epoch=3, verbose=0)
    whole.fit(dataset.repeat().take(6), verbose=0)
    assert_same_bits(weights_of(endless), weights_of(whole))


# Labels and data of other kinds


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.bool_])
def test_labels_may_be_one_hot(images, dtype):
    one_hot = np.eye(10, dtype=dtype)[LABELS]
    expected, from_arrays, from_dataset = (small_model("finetuned", pretraining_epochs=0) for _ in range(3))
    options = {"verbose": 0, "validation_data": (images[:50], LABELS[:50])}
    first = expected.fit(images, LABELS, batch_size=64, shuffle=False, **options).history
    second = from_arrays.fit(
        images, one_hot, batch_size=64, shuffle=False, verbose=0, validation_data=(images[:50], one_hot[:50])
    ).history
    assert first == second
    from_dataset.fit(tf.data.Dataset.from_tensor_slices((images, one_hot)).batch(64), verbose=0)
    assert_same_bits(weights_of(from_dataset), weights_of(expected))


def test_labels_that_are_nearly_one_hot_are_refused(images):
    soft = np.eye(10)[LABELS]
    soft[7] = 0.1
    with pytest.raises(ValueError, match=r"whose row 7 is .*expected one-hot labels"):
        small_model("finetuned").fit(images, soft, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((images, soft)).batch(64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one-hot labels have a single 1"):
        small_model("finetuned", pretraining_epochs=0).fit(dataset, verbose=0)


def test_a_split_leaves_validation_images_out_of_both_phases(images):
    """The first phase of a fine-tuned model trains an autoencoder on all images, but those split off."""
    split, alone = small_model("finetuned"), small_model("finetuned")
    labels = LABELS.copy()
    labels[::3] = -1
    options = {"batch_size": 64, "verbose": 0}
    first = split.fit(images, labels, validation_split=0.25, **options).history
    known = np.flatnonzero(labels[192:] != -1) + 192
    second = alone.fit(
        images[:192], labels[:192], validation_data=(images[known], labels[known]), **options
    ).history
    assert first == second
    assert_same_bits(state(split), state(alone))
