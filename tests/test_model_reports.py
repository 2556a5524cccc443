"""Faults that users of Keras models often report, and that these models do not have."""

import numpy as np
import pytest

import latentknn as lk
from latentknn import models
from latentknn.datasets import load
from latentknn.evaluation import KNNAccuracy, SampleRecorder
from latentknn.models import MODELS
from latentknn.models.backend import keras, tf

SHAPE = (8, 8, 1)

SMALL = {
    "conditional_ae": {"latent_dim": 6, "filters": (4,), "strides": (2,)},
    "conv_ae": {"latent_dim": 6, "filters": (4,), "strides": (2,), "whitening": 0.5},
    "finetuned": {"pretraining_epochs": 0},
    "gan": {"latent_dim": 6, "noise_dim": 5, "filters": (4,)},
    "metric": {"latent_dim": 6, "filters": (4, 8)},
    "pool_ae": {"filters": (4,)},
    "self_supervised": {"latent_dim": 6, "filters": (4,), "strides": (2,), "projection_units": (8, 4)},
    "triplet": {"latent_dim": 6, "filters": (4,), "strides": (2,)},
    "vqvae": {"embedding_dim": 3, "codebook_size": 16, "filters": (8,)},
    "wgan_gp": {"latent_dim": 6, "noise_dim": 5, "filters": (4,)},
}

every_model = pytest.mark.parametrize("name", sorted(MODELS))
every_kind = pytest.mark.parametrize(
    "name",
    [
        "adversarial_ae",
        "conditional_ae",
        "finetuned",
        "gan",
        "metric",
        "self_supervised",
        "simple_ae",
        "vqvae",
    ],
)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def small_model(name, **options):
    return models.create(name, input_shape=SHAPE, **SMALL.get(name, {}), **options)


# Images as keras.datasets gives them, without a channel axis


@every_kind
def test_images_without_channels_are_evaluated_in_any_order(name, digits):
    images, labels = digits.train_images[:64], digits.train_labels[:64]
    model = small_model(name)
    without = model.evaluate(images, labels, batch_size=32, verbose=0, return_dict=True)
    validation_data = (images, labels)
    model.fit(images, labels, batch_size=32, verbose=0, validation_data=validation_data)
    model.evaluate(images[..., np.newaxis], labels, verbose=0)
    history = model.fit(images, labels, batch_size=32, verbose=0, validation_data=validation_data).history
    found = model.evaluate(images, labels, batch_size=32, verbose=0, return_dict=True)
    assert set(found) == set(without)
    # The losses of these models vary, or their weights are averaged.
    if name not in ("adversarial_ae", "gan", "metric", "wgan_gp"):
        assert found["loss"] == history["val_loss"][0]


@every_kind
def test_arrays_and_datasets_are_evaluated_alike(name, digits):
    images, labels = digits.test_images[:32], digits.test_labels[:32]
    variants = {
        "without channels": (images, labels),
        "with channels": (images[..., np.newaxis], labels),
        "scaled": (images / 255, labels),
        "dataset": (tf.data.Dataset.from_tensor_slices((images, labels)).batch(32),),
    }
    found = {kind: small_model(name).evaluate(*data, verbose=0) for kind, data in variants.items()}
    for kind in variants:
        np.testing.assert_allclose(found[kind], found["dataset"], rtol=1e-5, err_msg=kind)


# Images that fit refuses are refused everywhere


def uses_of_images(model, digits):
    """Return every public function that takes images, as functions of the images alone."""
    labels = digits.train_labels

    def fitted(callback):
        model.fit(digits.train_images[:9], labels[:9], callbacks=[callback])

    def recorded(images):
        fitted(SampleRecorder(images, labels[: len(images)]))

    def measured(images):
        validation = digits.test_images[:9], digits.test_labels[:9]
        fitted(KNNAccuracy(images, labels[: len(images)], *validation))

    def measured_on(images):
        fitted(KNNAccuracy(digits.train_images, labels, images, labels[: len(images)]))

    def validated(images):
        validation_data = (images, labels[: len(images)])
        model.fit(digits.train_images[:9], labels[:9], validation_data=validation_data)

    def called(use):
        takes_labels = model.registry_name == "conditional_ae"
        return lambda images: use((images, labels[: len(images)]) if takes_labels else images)

    def labelled(use):
        return lambda images: use(images, labels[: len(images)])

    uses = [validated, measured, measured_on, called(model.predict), called(model.predict_on_batch)]
    uses += [labelled(use) for use in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch)]
    uses += [model.encode, labelled(model.encode_labelled), model.encode_queries]
    if "generate" not in model.capabilities:
        uses.append(recorded)
    if model.registry_name == "vqvae":
        uses.append(model.indices)
    return uses + [getattr(model, name) for name in model.capabilities & {"encode_per_class", "reconstruct"}]


@every_model
def test_wrong_images_are_refused_by_every_function(name, digits):
    model = small_model(name)
    scaled = digits.train_images[:20] / 255
    damaged = scaled.copy()
    damaged[3, 2, 1] = np.nan
    wrong = {
        r"values from 0\.0 to 255\.0, expected 0 to 1: divide": digits.train_images[:20].astype(np.float32),
        r"values from -1\.0 to 1\.0, expected 0 to 1": 2 * scaled - 1,
        "contain NaN": damaged,
        r"shape \(20, 8, 7\)": scaled[:, :, :7],
    }
    before = model.get_weights()
    for function in uses_of_images(model, digits):
        for message, images in wrong.items():
            with pytest.raises(ValueError, match=message):
                function(images)
    for one, other in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_nothing_to_evaluate(digits):
    model = small_model("simple_ae")
    with pytest.raises(ValueError, match="no images to evaluate"):
        model.evaluate(digits.train_images[:0])
    with pytest.raises(ValueError, match="no images to evaluate"):
        model.fit(digits.train_images[:9], validation_data=digits.train_images[:0])
    with pytest.raises(ValueError, match="validation_data of 4 parts"):
        model.fit(digits.train_images[:9], validation_data=(digits.train_images[:9],) * 4)
    with pytest.raises(ValueError, match="leave y out"):
        model.evaluate(tf.data.Dataset.from_tensor_slices(digits.train_images[:9]).batch(3), np.zeros(9, int))


@pytest.mark.parametrize("name", ["conditional_ae", "simple_ae", "triplet"])
def test_batches_and_predictions_are_those_of_prepared_images(name, digits):
    """Keras's own methods take images as fit does: of any layout, scaled or not."""
    images, labels = digits.train_images[:9], digits.train_labels[:9]
    model = small_model(name)
    inputs = (images, labels) if name == "conditional_ae" else images
    dataset = tf.data.Dataset.from_tensor_slices(inputs if name == "conditional_ae" else images).batch(9)
    codes = model.encode_labelled(images, labels)
    for found in (
        model.predict(inputs, verbose=0),
        model.predict_on_batch(inputs),
        model.predict(dataset, verbose=0),
    ):
        np.testing.assert_allclose(found["codes"], codes, rtol=1e-4, atol=1e-5)
    loss = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    assert model.test_on_batch(images / 255, labels, return_dict=True)["loss"] == pytest.approx(
        loss, rel=1e-5
    )
    before = model.get_weights()
    model.train_on_batch(images, labels)
    assert any((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))
    if name == "conditional_ae":
        with pytest.raises(
            ValueError, match=r"received a ndarray; the call of conditional_ae takes \(images"
        ):
            model.predict(images)


# Callbacks of a training that is resumed


def train_simple(digits, callbacks, epochs, name="simple_ae", **options):
    model = small_model(name)
    images, labels = digits.train_images[:64], digits.train_labels[:64]
    history = model.fit(
        images, labels, batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks, **options
    )
    return model, history.history


class Losses(keras.callbacks.Callback):
    """Log given values as if the model had them."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["measured"] = self.values[epoch]


@pytest.mark.parametrize("threshold", [None, 0.45])
def test_the_best_model_outlives_a_break(threshold, digits, tmp_path):
    """The model of the second epoch stays the best, however often the training breaks off after it."""
    best, folder = tmp_path / "best.keras", tmp_path / "checkpoint"

    def callbacks():
        keep = keras.callbacks.ModelCheckpoint(
            best, "measured", save_best_only=True, mode="min", initial_value_threshold=threshold
        )
        return [Losses([0.5, 0.4, 0.9, 0.44, 0.3]), keep]

    train_simple(digits, callbacks(), 2, checkpoint_dir=folder)
    kept = best.read_bytes()
    for epochs in (3, 4):
        train_simple(digits, callbacks(), epochs, checkpoint_dir=folder, resume=True)
        assert best.read_bytes() == kept
    train_simple(digits, callbacks(), 5, checkpoint_dir=folder, resume=True)
    assert best.read_bytes() != kept


def test_a_model_is_saved_after_as_many_batches_as_without_a_break(digits, tmp_path):
    def saved(folder, parts):
        for epochs in parts:
            callback = keras.callbacks.ModelCheckpoint(folder / "{epoch}-{batch}.keras", save_freq=3)
            train_simple(digits, [callback], epochs, checkpoint_dir=folder, resume=True)
        return sorted(path.name for path in folder.glob("*.keras"))

    assert (
        saved(tmp_path / "broken", (1, 2, 5))
        == saved(tmp_path / "whole", (5,))
        == [
            "2-1.keras",
            "3-2.keras",
            "5-1.keras",
        ]
    )


def test_a_log_goes_on_in_its_file(digits, tmp_path):
    def logged(folder, parts):
        for epochs in parts:
            logger = keras.callbacks.CSVLogger(folder / "log.csv")
            train_simple(digits, [logger], epochs, checkpoint_dir=folder / "checkpoint", resume=True)
        return (folder / "log.csv").read_text()

    for folder in ("whole", "broken"):
        (tmp_path / folder).mkdir()
    whole = logged(tmp_path / "whole", (4,))
    assert len(whole.splitlines()) == 5
    assert logged(tmp_path / "broken", (1, 3, 4)) == whole
    # A training that is not resumed begins a new file.
    train_simple(digits, [keras.callbacks.CSVLogger(tmp_path / "whole/log.csv")], 1)
    assert len((tmp_path / "whole/log.csv").read_text().splitlines()) == 2


def schedule():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.7 * rate)


def plateau():
    return keras.callbacks.ReduceLROnPlateau("loss", min_delta=10, patience=1, factor=0.5, cooldown=1)


def stopping():
    return keras.callbacks.EarlyStopping("loss", min_delta=10, patience=3, restore_best_weights=True)


def swapping():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (schedule, "simple_ae"),
        (plateau, "simple_ae"),
        (stopping, "simple_ae"),
        # The whitening of this model has a weight that is a scalar.
        (stopping, "conv_ae"),
        (swapping, "metric"),
    ],
)
def test_callbacks_end_where_they_would_have_without_a_break(make, name, digits, tmp_path):
    model, history = train_simple(digits, [make()], 6, name)

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_simple(digits, [make(), Break()], 6, name, checkpoint_dir=tmp_path)
    resumed, resumed_history = train_simple(digits, [make()], 6, name, checkpoint_dir=tmp_path, resume=True)
    assert resumed_history == history
    for one, other in zip(model.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_backup_of_keras_brings_nothing_else_back(digits, tmp_path):
    """BackupAndRestore saves the same state as our checkpoint, at the same epochs."""
    model, history = train_simple(digits, [], 4)

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_simple(digits, [backup(), Break()], 4, checkpoint_dir=tmp_path / "ours")
    resumed, resumed_history = train_simple(
        digits, [backup()], 4, checkpoint_dir=tmp_path / "ours", resume=True
    )
    assert resumed_history == history
    for one, other in zip(model.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_backup_of_keras_alone_goes_on(digits, tmp_path):
    """Without our checkpoint, BackupAndRestore restores weights and optimizer, but no random state."""
    begun = {}

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                begun[len(begun)] = self.model.get_weights() + [
                    variable.numpy() for variable in self.model.optimizer.variables
                ]
                if len(begun) == 1:
                    raise KeyboardInterrupt

    def train():
        return train_simple(digits, [keras.callbacks.BackupAndRestore(tmp_path / "backup"), Break()], 4)

    with pytest.raises(KeyboardInterrupt):
        train()
    _, history = train()
    assert len(history["loss"]) == 2
    for one, other in zip(begun[0], begun[1], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "take",
    [
        lk.CosineIndex.from_codes,
        lambda codes: lk.cosine_search(codes, np.ones((1, 4)), 1),
        lambda codes: lk.CosineKNNClassifier(1).fit(codes, [0, 1]),
    ],
)
def test_a_data_set_of_tensorflow_is_no_array_of_codes(take):
    with pytest.raises(TypeError, match="are a data set of TensorFlow; pass an array"):
        take(tf.data.Dataset.from_tensor_slices(np.eye(4)).batch(2))
