"""Models that learn from labels."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras, tf
from latentknn.models.layers.cosine_head import CosineHead
from latentknn.models.supervised.finetuned import PRETRAINED
from latentknn.models.training.one_cycle import OneCycle, one_cycle_rate
from latentknn.stratifying import choose_evenly

SHAPE = (8, 8, 1)

supervised = pytest.mark.parametrize("name", [entry.name for entry in MODELS.values() if entry.uses_labels])


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_cosine_head():
    head = CosineHead(3, scale=7.0)
    codes = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    logits = np.asarray(head(codes))
    kernel = np.asarray(head.kernel)
    expected = (
        7 * (codes / np.linalg.norm(codes, axis=1, keepdims=True)) @ (kernel / np.linalg.norm(kernel, axis=0))
    )
    # A logit near 0 is a sum of larger numbers, so its error is relative to the scale.
    np.testing.assert_allclose(logits, expected, atol=7e-6)
    np.testing.assert_allclose(np.asarray(head(100 * codes)), logits, atol=7e-6)
    assert CosineHead.from_config(head.get_config()).get_config() == head.get_config()


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
    # No training here is long enough to be worth compiling.
    model.run_eagerly = True
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
    """Return the mean similarity of codes of one class, less that of codes of two classes."""
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
    """A code of several views is the sum of the directions of the codes of the single views."""
    model = models.create(name, input_shape=SHAPE, mirror=mirror, shifted_views=True)
    # This model has the same seed, and thus the same weights.
    plain = models.create(name, input_shape=SHAPE)
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


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_listed_model_can_be_tuned(name):
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
    assert set(history) == {"loss", "reconstruction", "classification", "head_accuracy"}
    total = np.add(history["reconstruction"], history["classification"])
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert history["classification"][-1] < history["classification"][0]
    assert with_loss.count_params() == plain.count_params() + 7 * 10


def test_the_accuracy_of_the_head_is_that_of_codes_under_the_true_class(digits):
    images, labels = digits.train_images[:128], digits.train_labels[:128]
    tests, truth = digits.test_images[:100], digits.test_labels[:100]
    model = small_conditional(class_loss_weight=0.5)
    history = model.fit(images, labels, epochs=3, verbose=0, validation_data=(tests, truth)).history
    logits = model.head(model.encode(tests, labels=truth)).numpy()
    assert history["val_head_accuracy"][-1] == pytest.approx(np.mean(logits.argmax(axis=1) == truth))
    assert history["head_accuracy"][-1] > history["head_accuracy"][0]
    found = model.evaluate(tests, truth, verbose=0, return_dict=True)
    assert found["head_accuracy"] == pytest.approx(history["val_head_accuracy"][-1])
