"""Models that learn from labels, and the parts that they are made of."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from latentknn import CosineKNNClassifier, models
from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras, tf
from latentknn.models.layers.augmentation import RandomAugmentation
from latentknn.models.layers.cosine_head import CosineHead
from latentknn.models.layers.running_averages import early_momentum
from latentknn.models.supervised import metric_losses
from latentknn.models.supervised.finetuned import AUTOENCODERS
from latentknn.models.supervised.metric import MetricEncoder
from latentknn.models.supervised.metric_losses import (
    batch_all_loss,
    batch_hard_loss,
    supervised_contrastive_loss,
)
from latentknn.models.training.one_cycle import OneCycle, one_cycle_rate
from latentknn.stratifying import choose_evenly

SHAPE = (8, 8, 1)

supervised = pytest.mark.parametrize("name", [entry.name for entry in MODELS.values() if entry.uses_labels])


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# Losses, beside slow definitions


def distance(first, second):
    return 1 - first @ second / np.sqrt((first @ first) * (second @ second))


def hinge(difference, margin):
    return np.log1p(np.exp(difference)) if margin is None else max(difference + margin, 0)


def slow_batch_hard(codes, labels, margin):
    found = []
    for anchor, code in enumerate(codes):
        same = [distance(code, c) for i, c in enumerate(codes) if labels[i] == labels[anchor] and i != anchor]
        other = [distance(code, c) for i, c in enumerate(codes) if labels[i] != labels[anchor]]
        if same and other:
            found.append(hinge(max(same) - min(other), margin))
    return np.mean(found) if found else 0.0


def slow_batch_all(codes, labels, margin):
    found = []
    for a, p, n in itertools.product(range(len(codes)), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            loss = hinge(distance(codes[a], codes[p]) - distance(codes[a], codes[n]), margin)
            if margin is None or loss > 0:
                found.append(loss)
    return np.mean(found) if found else 0.0


def slow_contrastive(codes, labels, temperature):
    found = []
    for anchor, code in enumerate(codes):
        others = [i for i in range(len(codes)) if i != anchor]
        similarities = {i: (1 - distance(code, codes[i])) / temperature for i in others}
        total = np.log(sum(np.exp(s) for s in similarities.values()))
        same = [similarities[i] - total for i in others if labels[i] == labels[anchor]]
        if same:
            found.append(-np.mean(same))
    return np.mean(found) if found else 0.0


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 0, 0, 0, 1]],
    ids=["mixed", "one class", "all alone", "one alone"],
)
@pytest.mark.parametrize(
    ("loss", "definition", "setting"),
    [
        (batch_hard_loss, slow_batch_hard, 0.3),
        (batch_hard_loss, slow_batch_hard, None),
        (batch_all_loss, slow_batch_all, 0.3),
        (batch_all_loss, slow_batch_all, None),
        (supervised_contrastive_loss, slow_contrastive, 0.1),
    ],
)
def test_losses_agree_with_their_definitions(loss, definition, setting, labels):
    codes = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
    found = float(loss(keras.ops.convert_to_tensor(codes), keras.ops.convert_to_tensor(labels), setting))
    assert found == pytest.approx(definition(codes.astype(np.float64), labels, setting), rel=1e-4, abs=1e-6)


def test_gradients_of_losses_are_finite():
    """Equal codes and zero codes are where a gradient by distance would fail."""
    codes = tf.Variable([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    labels = tf.constant([0, 0, 1, 1])
    for loss, setting in ((batch_hard_loss, 0.5), (batch_all_loss, None), (supervised_contrastive_loss, 0.1)):
        with tf.GradientTape() as tape:
            value = loss(codes, labels, setting)
        assert np.isfinite(tape.gradient(value, codes).numpy()).all()


def plain_batch_all(codes, labels, margin):
    """Compute the loss of all triplets at once, differentiable by TensorFlow."""
    distances = 1 - metric_losses.cosine_similarities(codes)
    same = labels[:, None] == labels
    counted = (same & ~np.eye(len(labels), dtype=bool))[:, :, None] & ~same[:, None, :]
    differences = tf.boolean_mask(distances[:, :, None] - distances[:, None, :], counted)
    if margin is None:
        return tf.reduce_mean(tf.math.softplus(differences))
    return tf.reduce_mean(tf.boolean_mask(differences + margin, differences + margin > 0))


@pytest.mark.parametrize("margin", [0.3, None])
@pytest.mark.parametrize("at_once", [1, 37 * 37 * 5, 37**3, 2**22], ids=["one", "five", "all", "more"])
@pytest.mark.parametrize("compiled", [False, True])
def test_triplets_in_blocks_have_the_loss_and_gradients_of_all_at_once(
    margin, at_once, compiled, monkeypatch
):
    monkeypatch.setattr(metric_losses, "_TRIPLETS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    codes, labels = tf.constant(rng.standard_normal((37, 5)), tf.float32), rng.integers(0, 4, 37)

    def with_gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            loss = 3 * function(codes, labels, margin)
        return loss, tape.gradient(loss, codes)

    loss, gradient = tf.function(with_gradient, jit_compile=compiled)(batch_all_loss)
    expected_loss, expected_gradient = with_gradient(plain_batch_all)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)


def test_all_triplets_of_a_large_batch_fit_into_memory():
    """512 codes have 60 million triplets, a quarter of a gigabyte for each array of them."""
    program = """
import resource
import numpy as np
from latentknn.models.backend import tf
from latentknn.models.supervised.metric_losses import batch_all_loss

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

@tf.function
def gradient(codes, labels):
    with tf.GradientTape() as tape:
        tape.watch(codes)
        loss = batch_all_loss(codes, labels, 1.0)
    return tape.gradient(loss, codes)

rng = np.random.default_rng(0)
codes, labels = tf.constant(rng.standard_normal((512, 64)), tf.float32), tf.constant(rng.integers(0, 2, 512))
gradient(codes[:8], labels[:8])
before = peak()
gradient(codes, labels)
assert peak() - before < 250, f"{peak() - before} MiB"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_cosine_head():
    head = CosineHead(3, scale=7.0)
    codes = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    logits = np.asarray(head(codes))
    kernel = np.asarray(head.kernel)
    expected = (
        7 * (codes / np.linalg.norm(codes, axis=1, keepdims=True)) @ (kernel / np.linalg.norm(kernel, axis=0))
    )
    # A logit near 0 is a sum of larger numbers, so its error is that of the scale.
    np.testing.assert_allclose(logits, expected, atol=7e-6)
    np.testing.assert_allclose(np.asarray(head(100 * codes)), logits, atol=7e-6)
    assert CosineHead.from_config(head.get_config()).get_config() == head.get_config()


# Augmentation


def augment(images, **options):
    layer = RandomAugmentation(**{"shift": 0, "mirror": False, "erase": 0.0, "seed": 0, **options})
    assert np.array_equal(layer(images), images)
    assert RandomAugmentation.from_config(layer.get_config()).get_config() == layer.get_config()
    return layer(images, training=True).numpy()


@pytest.fixture
def numbered():
    """300 images of 7x6 whose pixels are all different and not 0."""
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


# One cycle


def test_one_cycle():
    rates = np.array([one_cycle_rate(step, 200, 0.3) for step in range(200)])
    assert rates[0] == pytest.approx(0.012, rel=0.1)
    assert rates.max() == pytest.approx(0.3, rel=1e-3)
    assert 48 <= rates.argmax() <= 51
    assert (np.diff(rates[:49]) > 0).all()
    assert (np.diff(rates[51:]) < 0).all()
    assert 0 < rates[-1] < 1e-4


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_cycle_follows_the_batches_however_many_run_at_once(digits, at_once):
    rates = []
    model = models.create("triplet", input_shape=SHAPE, filters=(4,), strides=(2,))
    model.compile(keras.optimizers.Adam(), loss=model.loss, steps_per_execution=at_once, jit_compile=False)
    model.fit(
        digits.train_images[:128],
        digits.train_labels[:128],
        batch_size=16,
        epochs=2,
        verbose=0,
        callbacks=[
            OneCycle(0.3, 16),
            keras.callbacks.LambdaCallback(
                on_train_batch_begin=lambda batch, logs: rates.append(float(model.optimizer.learning_rate))
            ),
        ],
    )
    assert rates == pytest.approx([one_cycle_rate(step, 16, 0.3) for step in range(0, 16, at_once)])


# Every supervised model


@supervised
def test_labels_are_needed_and_checked(name, digits):
    model = models.create(name, input_shape=SHAPE, num_classes=3)
    model.run_eagerly = True  # nothing is trained that would be worth compiling
    images = digits.train_images[:12]
    with pytest.raises(ValueError, match=f"{name} learns from labels"):
        model.fit(images)
    with pytest.raises(ValueError, match="labels from 0 to 3, expected 0 to 2; num_classes"):
        model.fit(images, np.arange(12) % 4)
    with pytest.raises(ValueError, match=r"y of shape \(12,\) and dtype float64"):
        model.fit(images, np.zeros(12))
    with pytest.raises(ValueError, match="learns from labels"):
        model.fit(images, np.zeros(12, int), validation_data=images)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.full(12, 3))).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels go from 0 to 2"):
        model.fit(dataset, verbose=0)
    with pytest.raises(ValueError, match="images alone"):
        model.fit(tf.data.Dataset.from_tensor_slices(images).batch(4))


# The metric encoder


def separation(model, images, labels):
    """Return by how much codes of one class are more similar than codes of two, on average."""
    codes = model.encode(images)
    units = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    similarities, same = units @ units.T, labels[:, None] == labels
    return similarities[same].mean() - similarities[~same].mean()


@pytest.mark.parametrize("code_loss", ["none", "contrastive", "batch_hard"])
def test_metric_encoder_separates_the_classes(code_loss, digits):
    model = models.create(
        "metric",
        input_shape=SHAPE,
        filters=(8, 16),
        code_loss=code_loss,
        mirror=False,
        erase=0.0,
        averaging=0.5,
    )
    images, labels = digits.train_images[:400], digits.train_labels[:400]
    before = separation(model, digits.test_images, digits.test_labels)
    history = model.fit(images, labels, batch_size=40, epochs=5, verbose=0).history
    assert separation(model, digits.test_images, digits.test_labels) > before + 0.2
    parts = {"classification", code_loss} if code_loss != "none" else set()
    assert set(history) == {"loss", "accuracy"} | parts
    if parts:
        np.testing.assert_allclose(history["loss"], sum(np.array(history[part]) for part in parts), rtol=1e-4)


@pytest.mark.parametrize("name", ["metric", "triplet"])
def test_codes_of_both_sides(name, digits):
    """A model that sees mirrored images gives an image and its mirror image the same code."""
    mirrored = digits.train_images[:9, :, ::-1]
    for mirror in (True, False):
        model = models.create(name, input_shape=SHAPE, mirror=mirror)
        codes, others = model.encode(digits.train_images[:9]), model.encode(mirrored)
        assert np.allclose(codes, others, atol=1e-5) == mirror


@pytest.mark.parametrize("name", ["metric", "triplet"])
@pytest.mark.parametrize("mirror", [False, True])
def test_codes_of_shifted_views(name, mirror, digits):
    """A code of several views is the sum of the directions of what each would have alone."""
    model = models.create(name, input_shape=SHAPE, mirror=mirror, shifted_views=True)
    plain = models.create(name, input_shape=SHAPE)  # of the same seed
    plain.augmentation.mirror = False
    padded = np.pad(digits.train_images[:9], ((0, 0), (1, 1), (1, 1)))
    views = [padded[:, 1:-1, 1:-1], padded[:, :-2, :-2], padded[:, 2:, 2:]]
    if mirror:
        views += [view[:, :, ::-1] for view in views]
    expected = sum(keras.ops.normalize(plain.encode(view)) for view in views)
    np.testing.assert_allclose(model.encode(digits.train_images[:9]), expected, atol=1e-5)


def test_metric_encoder_refuses_what_it_cannot_do():
    with pytest.raises(
        ValueError, match="code_loss 'triplet', expected one of none, contrastive, batch_hard"
    ):
        models.create("metric", code_loss="triplet")
    with pytest.raises(ValueError, match=r"filters \(\) and 1 blocks"):
        models.create("metric", filters=())


def test_metric_encoder_needs_the_length_of_a_dataset(digits):
    model = models.create("metric", input_shape=SHAPE, filters=(4,))
    dataset = tf.data.Dataset.from_tensor_slices((digits.train_images[:32], digits.train_labels[:32]))
    unknown = dataset.filter(lambda image, label: True).batch(16)
    with pytest.raises(ValueError, match="assert_cardinality"):
        model.fit(unknown, verbose=0)
    known = unknown.apply(tf.data.experimental.assert_cardinality(2))
    assert model.fit(known, verbose=0).epoch == [0]


def test_metric_encoder_resumes_the_same_cycle_only(digits, tmp_path):
    images, labels = digits.train_images[:32], digits.train_labels[:32]
    models.create("metric", input_shape=SHAPE, filters=(4,)).fit(
        images, labels, epochs=1, verbose=0, checkpoint_dir=tmp_path
    )
    with pytest.raises(ValueError, match="epochs was 1 and is 2"):
        models.create("metric", input_shape=SHAPE, filters=(4,)).fit(
            images, labels, epochs=2, verbose=0, checkpoint_dir=tmp_path, resume=True
        )


def test_weights_become_their_average_at_the_end(digits):
    def trained(averaging):
        model = models.create("metric", input_shape=SHAPE, filters=(4,), averaging=averaging)
        model.fit(digits.train_images[:64], digits.train_labels[:64], batch_size=8, epochs=1, verbose=0)
        return model

    plain, averaged = trained(0.0), trained(0.9)
    last, mean = (model.encoder.trainable_variables[0].numpy() for model in (plain, averaged))
    assert not np.array_equal(last, mean)
    slots = [v for v in averaged.optimizer.variables if "average" in v.name]
    assert len(slots) == len(averaged.trainable_variables)
    assert np.array_equal(slots[0].numpy(), mean)


def train_metric(digits, images, averaging=0.98, epochs=1, **options):
    model = models.create(
        "metric", input_shape=SHAPE, filters=(8, 16), mirror=False, erase=0.0, averaging=averaging
    )
    data = digits.train_images[:images], digits.train_labels[:images]
    model.fit(*data, batch_size=32, epochs=epochs, verbose=0, **options)
    return model


def test_the_average_is_over_the_last_ninth_of_a_short_training(digits):
    seen = []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.encoder.trainable_variables[0].numpy())

    averaged = train_metric(digits, 160, averaging=0.7, epochs=8, callbacks=[Record()])
    assert len(seen) == 40
    expected = seen[0].astype(np.float64)
    for count, weights in enumerate(seen[1:], 1):
        momentum = min(0.7, (1 + count) / (10 + count))
        expected = momentum * expected + (1 - momentum) * weights
    np.testing.assert_allclose(averaged.encoder.trainable_variables[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("averaging", [0.5, 0.98, 0.999])
def test_the_momentum_of_an_average_grows_up_to_what_is_asked_for(averaging):
    momenta = [float(early_momentum(averaging, count)) for count in (0, 1, 10, 100, 440, 10_000, 10**6)]
    assert momenta == sorted(momenta)
    assert momenta[0] == pytest.approx(0.1)
    assert momenta[-1] == np.float32(averaging)
    assert (momenta[4] == np.float32(averaging)) == (averaging <= 0.98)


def test_a_short_training_is_as_good_averaged_as_not(digits):
    """28 steps, of which the weights after the first were more than half of the average."""

    def accuracy(averaging):
        model = train_metric(digits, 448, averaging, epochs=2)
        classifier = CosineKNNClassifier().fit(model.encode(digits.train_images), digits.train_labels)
        return classifier.score(model.encode(digits.test_images), digits.test_labels)

    assert accuracy(0.98) > accuracy(0.0) - 0.03


def test_trainings_averaged_by_the_rule_of_keras_go_on(digits, tmp_path, monkeypatch):
    def plain(self):
        return keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, use_ema=True, ema_momentum=0.98)

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr(MetricEncoder, "make_optimizer", plain)
        train_metric(digits, 64).save(tmp_path / "model.keras")
        with pytest.raises(KeyboardInterrupt):
            train_metric(digits, 64, epochs=2, checkpoint_dir=tmp_path, callbacks=[Break()])
    model = models.load(tmp_path / "model.keras")
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.fit(digits.train_images[:64], digits.train_labels[:64], verbose=0).epoch == [0]
    resumed = train_metric(digits, 64, epochs=2, checkpoint_dir=tmp_path, resume=True)
    assert int(resumed.optimizer.iterations) == 4


@pytest.mark.parametrize("averaging", [-0.1, 1.0])
def test_an_average_that_never_moves_is_refused(averaging):
    with pytest.raises(ValueError, match=f"received averaging {averaging}, expected"):
        models.create("metric", input_shape=SHAPE, averaging=averaging)


# Triplets


@pytest.mark.parametrize(("mining", "margin"), [("batch_hard", None), ("batch_all", 0.5)])
def test_triplets_alone_separate_the_classes(mining, margin, digits):
    model = models.create(
        "triplet",
        input_shape=SHAPE,
        filters=(8, 8),
        strides=(1, 2),
        mining=mining,
        margin=margin,
        classification_weight=0.0,
        learning_rate=3e-3,
    )
    images, labels = digits.train_images[:400], digits.train_labels[:400]
    before = separation(model, digits.test_images, digits.test_labels)
    history = model.fit(images, labels, batch_size=25, epochs=8, verbose=0).history
    assert history["triplets"] == pytest.approx(history["loss"], rel=1e-5)
    assert set(history["classification"]) == {0.0}
    assert separation(model, digits.test_images, digits.test_labels) > before + 0.1


def test_triplet_encoder_refuses_unknown_mining():
    with pytest.raises(ValueError, match="mining 'easy', expected one of batch_hard, batch_all"):
        models.create("triplet", mining="easy")


def test_triplet_architecture():
    model = models.create("triplet")
    convolutions = [layer for layer in model.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 64, 64, 64]
    assert model.encoder.output_shape == (None, 128)


# Fine-tuning


def small_finetuned(**options):
    return models.create(
        "finetuned",
        input_shape=SHAPE,
        autoencoder_options={"latent_dim": 6, "hidden_units": (16,)},
        hidden_units=(8,),
        **{"pretraining_epochs": 2, **options},
    )


def small_autoencoder(digits, epochs):
    autoencoder = models.create("stacked_ae", input_shape=SHAPE, latent_dim=6, hidden_units=(16,))
    history = autoencoder.fit(digits.train_images[:200], epochs=epochs, verbose=0)
    return autoencoder, history.history["loss"]


def test_phase_2_begins_with_the_weights_of_phase_1(digits):
    """With a frozen encoder, or no step of phase 2, the codes are those of the autoencoder."""
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    autoencoder, losses = small_autoencoder(digits, epochs=2)
    frozen = small_finetuned(frozen=True)
    history = frozen.fit(images, labels, epochs=3, verbose=0).history
    assert history["pretraining_loss"] == losses
    assert history["loss"][-1] < history["loss"][0]
    assert np.array_equal(frozen.encode(images), autoencoder.encode(images))

    copied = small_finetuned(pretraining_epochs=0, frozen=True)
    copied.copy_encoder(autoencoder)
    again = copied.fit(images, labels, epochs=3, verbose=0).history
    assert again == {name: values for name, values in history.items() if name != "pretraining_loss"}

    trained = small_finetuned()
    trained.fit(images, labels, epochs=1, verbose=0)
    assert not np.array_equal(trained.encode(images), autoencoder.encode(images))


def test_a_trained_model_goes_on_with_phase_2(digits, tmp_path):
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    model = small_finetuned()
    first = model.fit(images, labels, epochs=1, verbose=0).history
    model.save(tmp_path / "model.keras")
    for trained in (model, models.load(tmp_path / "model.keras")):
        again = trained.fit(images, labels, epochs=1, verbose=0).history
        assert "pretraining_loss" not in again
        assert again["loss"][0] < first["loss"][0]


def test_wrong_validation_images_are_told_before_phase_1(digits, monkeypatch):
    model = small_finetuned()
    monkeypatch.setattr(model, "_pretrain", None)
    with pytest.raises(ValueError, match="learns from labels"):
        model.fit(digits.train_images[:9], digits.train_labels[:9], validation_data=digits.test_images)


def test_few_labels(digits):
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    hidden = np.where(np.arange(200) < 150, -1, labels)
    model = small_finetuned(pretraining_epochs=0)
    few = small_finetuned(pretraining_epochs=0, labels=50)
    expected = model.fit(images[150:], labels[150:], verbose=0).history
    assert small_finetuned(pretraining_epochs=0).fit(images, hidden, verbose=0).history == expected
    chosen = choose_evenly(labels, 50, seed=0)
    expected = small_finetuned(pretraining_epochs=0).fit(images[chosen], labels[chosen], verbose=0).history
    assert few.fit(images, labels, verbose=0).history == expected
    with pytest.raises(ValueError, match="no labelled image"):
        model.fit(images, np.full(200, -1))
    with pytest.raises(ValueError, match="labels cannot be drawn from a dataset"):
        few.fit(tf.data.Dataset.from_tensor_slices((images, labels)).batch(50))


def test_labels_are_chosen_evenly():
    labels = np.random.default_rng(0).choice(3, 400, p=[0.6, 0.3, 0.1])
    chosen = choose_evenly(labels, 40, seed=1)
    assert len(np.unique(chosen)) == 40
    shares = np.bincount(labels) * 40 / 400
    assert (np.abs(np.bincount(labels[chosen]) - shares) < 1).all()
    assert np.array_equal(chosen, choose_evenly(labels, 40, seed=1))
    assert not np.array_equal(chosen, choose_evenly(labels, 40, seed=2))
    assert np.array_equal(choose_evenly(labels, 1000, seed=0), np.arange(400))
    with pytest.raises(ValueError, match="cannot choose 0"):
        choose_evenly(labels, 0, seed=0)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_every_listed_autoencoder_can_be_tuned(name):
    model = models.create("finetuned", input_shape=SHAPE, autoencoder=name)
    assert model.latent_dim == models.create(name, input_shape=SHAPE).latent_dim
    with pytest.raises(ValueError, match="weights of shapes"):
        model.copy_encoder(models.create(name, input_shape=(8, 8, 2)))


def test_other_models_cannot_be_tuned():
    with pytest.raises(ValueError, match="autoencoder 'vae', expected one of stacked_ae"):
        models.create("finetuned", autoencoder="vae")


# Conditional autoencoder


def small_conditional(**options):
    return models.create(
        "conditional_ae", input_shape=SHAPE, latent_dim=6, filters=(4, 8), strides=(1, 2), **options
    )


def test_codes_under_a_class(digits):
    model = small_conditional()
    images, labels = digits.train_images[:30], digits.train_labels[:30]
    per_class = model.encode_per_class(images)
    assert per_class.shape == (10, 30, 6)
    assert per_class.dtype == np.float32
    own = model.encode(images, labels=labels)
    assert own.dtype == np.float32
    assert model.encode_labelled(images, labels).tobytes() == own.tobytes()
    assert model.encode_queries(images).tobytes() == per_class.tobytes()
    assert np.array_equal(per_class[labels, np.arange(30)], own)
    vectors = model.embedding.embeddings.numpy()
    np.testing.assert_allclose(own, model.encode(images) * vectors[labels], rtol=1e-6)
    inputs = (keras.ops.convert_to_tensor(images[..., np.newaxis]), keras.ops.convert_to_tensor(labels))
    np.testing.assert_allclose(model(inputs)["codes"].numpy(), own, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="labels from 0 to 10, expected 0 to 9"):
        model.encode(images, labels=np.full(30, 10) * (np.arange(30) > 2))


def test_reconstruction_under_a_class(digits):
    model = small_conditional()
    images, labels = digits.train_images[:30], digits.train_labels[:30]
    model.fit(images, labels, epochs=3, batch_size=10, verbose=0)
    own = model.reconstruct(images, labels=labels)
    assert np.array_equal(own, model.decode(model.encode(images, labels=labels)))
    scaled = images[..., np.newaxis] / 255
    errors = [
        np.square(model.reconstruct(images, labels=np.full(30, label)) - scaled).mean(axis=(1, 2, 3))
        for label in range(10)
    ]
    best = np.square(model.reconstruct(images) - scaled).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(best, np.min(errors, axis=0), rtol=1e-4)


def test_the_class_loss_is_there_only_if_asked_for(digits):
    images, labels = digits.train_images[:64], digits.train_labels[:64]
    plain, with_loss = small_conditional(), small_conditional(class_loss_weight=0.5)
    assert set(plain.fit(images, labels, verbose=0).history) == {"loss"}
    history = with_loss.fit(images, labels, verbose=0, epochs=4, batch_size=16).history
    assert set(history) == {"loss", "reconstruction", "classification"}
    total = np.add(history["reconstruction"], history["classification"])
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert history["classification"][-1] < history["classification"][0]
    assert with_loss.count_params() == plain.count_params() + 7 * 10
