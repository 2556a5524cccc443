"""Every model through the same behaviour tests, then what is special to one."""

import functools
import inspect
import json
import pickle
import random
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS, OPERATIONS
from latentknn.models.backend import keras, tf
from latentknn.models.base.checkpoint import FILE_NAME
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.images import prepare_images
from latentknn.models.training.batches import batches_per_epoch, training_batches
from latentknn.models.training.time_left import duration

SHAPE = (8, 8, 1)
LABELS = load("digits").train_labels[:256]

# Every registered model, shrunk: a model that is added without an entry here fails.
SMALL = {
    "stacked_ae": {"latent_dim": 6, "hidden_units": (16,)},
    "simple_ae": {"latent_dim": 6, "hidden_units": (24, 16)},
    "conv_ae": {"latent_dim": 6, "filters": (4, 4), "strides": (1, 2), "shift": 1, "whitening": 0.5},
    "deep_ae": {"latent_dim": 6, "hidden_units": (24, 16)},
    "pool_ae": {"latent_dim": 6, "filters": (4, 8)},
    "denoising_ae": {"latent_dim": 6, "hidden_units": (16,)},
    "sparse_ae": {"latent_dim": 6, "hidden_units": (16,)},
    "vae": {"latent_dim": 6, "hidden_units": (24, 16)},
    "triplet": {"latent_dim": 6, "filters": (4, 4), "strides": (1, 2), "dropout": 0.1},
    "finetuned": {
        "autoencoder_options": {"latent_dim": 6, "hidden_units": [16]},
        "pretraining_epochs": 1,
        "hidden_units": (8,),
    },
    "conditional_ae": {"latent_dim": 6, "filters": (4, 4), "strides": (1, 2), "dropout": 0.1},
    "gan": {"latent_dim": 6, "noise_dim": 5, "filters": (4, 8), "kernel_size": 3},
    "wgan_gp": {"latent_dim": 6, "noise_dim": 5, "filters": (4, 8), "kernel_size": 3, "critic_steps": 2},
    "adversarial_ae": {"latent_dim": 6, "hidden_units": (24, 16), "critic_units": (8,)},
    "vqvae": {"embedding_dim": 3, "codebook_size": 32, "filters": (8,)},
    "metric": {"latent_dim": 6, "filters": (4, 8), "shift": 1},
    "dropout_ae": {"latent_dim": 6, "hidden_units": (24, 16), "dropout": 0.1},
}

every_model = pytest.mark.parametrize("name", sorted(MODELS))


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """Return a model after two epochs, its history, and a folder with the checkpoint of the first.

    Each model is trained once and must not be changed.
    """

    @functools.cache
    def train_once(name):
        folder = tmp_path_factory.mktemp(name)
        model, options = small_model(name), training_options(images, folder / "whole")
        keep = KeepCheckpoint(folder / "whole", folder / "first_epoch")
        return model, train(model, images, callbacks=[keep], **options), keep.copy

    return train_once


def training_options(images, folder):
    return {"epochs": 2, "validation_data": (images[:50], LABELS[:50]), "checkpoint_dir": folder}


def small_model(name, **options):
    return models.create(name, input_shape=SHAPE, **SMALL[name], **options)


def train(model, images, epochs=1, **options):
    labels = LABELS[: len(images)]
    return model.fit(images, labels, batch_size=96, epochs=epochs, verbose=0, **options)


def state(model):
    """Return every variable of a model and its optimizer."""
    return [variable.numpy().copy() for variable in model.variables + model.optimizer_variables]


def assert_same_bits(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


class Interruption(keras.callbacks.Callback):
    """Break a training off in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.break_epoch = epoch
        self.current = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.current == self.break_epoch and batch == 1:
            raise KeyboardInterrupt


class KeepCheckpoint(keras.callbacks.Callback):
    """Copy the checkpoint of the first epoch when the second begins."""

    def __init__(self, folder, copy):
        super().__init__()
        self.folder = folder
        self.copy = copy

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            shutil.copytree(self.folder, self.copy)


# Every model


@every_model
def test_every_argument_is_an_attribute_and_in_the_config(name):
    model = small_model(name, seed=3)
    config = model.get_config()
    arguments = [
        argument.name
        for argument in inspect.signature(type(model).__init__).parameters.values()
        if argument.kind == argument.KEYWORD_ONLY
    ]
    assert {"input_shape", "learning_rate", "seed"} <= set(arguments)
    for argument in arguments:
        assert config[argument] == getattr(model, argument)

    restored = type(model).from_config(json.loads(json.dumps(config)))
    assert restored.get_config() == config == pickle.loads(pickle.dumps(config))
    assert_same_bits(state(restored), state(model))


@every_model
def test_codes_and_history(name, images, trained):
    model, history, _ = trained(name)
    assert history.epoch == [0, 1]
    assert set(history.history) >= {"loss", "val_loss"}
    assert np.isfinite(history.history["loss"] + history.history["val_loss"]).all()
    assert history.history["loss"][1] < history.history["loss"][0]

    codes = model.encode(images)
    assert codes.shape == (256, model.latent_dim)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()
    assert len(np.unique(codes, axis=0)) > 200


@every_model
def test_encode_is_deterministic_and_changes_nothing(name, images, trained):
    model, _, _ = trained(name)
    before = state(model)
    codes = model.encode(images, batch_size=100)
    assert codes.tobytes() == model.encode(images, batch_size=100).tobytes()
    assert_same_bits(before, state(model))
    np.testing.assert_allclose(codes, model.encode(images, batch_size=7), rtol=1e-4, atol=1e-5)


@every_model
def test_scaling_is_part_of_the_model(name, images, trained):
    model, _, _ = trained(name)
    codes = model.encode(images)
    variants = {
        "channel axis": images[..., np.newaxis],
        "int64": images.astype(np.int64),
        "float64": images / 255,
        "float32": images.astype(np.float32) / 255,
        "Fortran order": np.asfortranarray(images),
        "tensor": tf.constant(images),
    }
    different = [
        kind for kind, variant in variants.items() if model.encode(variant).tobytes() != codes.tobytes()
    ]
    assert not different
    assert model.encode(images[:0]).shape == (0, model.latent_dim)


@every_model
def test_operations_are_those_in_the_registry(name, images, trained):
    model, _, _ = trained(name)
    codes = model.encode(images[:5])
    calls = {
        "encode": lambda: model.encode(images[:5]),
        "encode_per_class": lambda: model.encode_per_class(images[:5]),
        "decode": lambda: model.decode(codes),
        "reconstruct": lambda: model.reconstruct(images[:5]),
        "generate": lambda: model.generate(5, seed=1),
    }
    assert set(calls) == set(OPERATIONS)
    assert model.capabilities == MODELS[name].capabilities
    assert model.uses_labels == MODELS[name].uses_labels
    for operation, call in calls.items():
        if operation not in model.capabilities:
            with pytest.raises(models.UnsupportedOperationError, match=f"{name} has no {operation}"):
                call()
        elif operation == "encode_per_class":
            assert call().shape == (model.num_classes, 5, model.latent_dim)
            assert call().dtype == np.float32
        elif operation != "encode":
            made = call()
            assert made.shape == (5, *SHAPE)
            assert made.dtype == np.float32
            assert made.min() >= 0
            assert made.max() <= 1


@every_model
def test_saved_and_loaded_codes_are_equal(name, images, trained, tmp_path, monkeypatch):
    model, _, _ = trained(name)
    codes = model.encode(images)
    path = tmp_path / "model.keras"
    model.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"config.json", "metadata.json", "model.weights.h5"}

    def forbidden(*arguments, **options):
        raise AssertionError("loading ran pickle")

    for function in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, function, forbidden)
    loaded = models.load(path)
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    assert loaded.encode(images).tobytes() == codes.tobytes()
    assert_same_bits(
        [variable.numpy() for variable in loaded.optimizer_variables],
        [variable.numpy() for variable in model.optimizer_variables],
    )


MIXED = [(name, "mixed_float16") for name in sorted(MODELS)]
MIXED += [(name, "mixed_bfloat16") for name in ("conditional_ae", "gan", "metric", "vae", "vqvae")]


@pytest.mark.parametrize(("name", "dtype"), MIXED)
def test_mixed_precision(name, dtype, images, tmp_path):
    model = small_model(name, dtype=dtype)
    assert dtype.removeprefix("mixed_") in {layer.compute_dtype for layer in model.encoder.layers}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    before = model.get_weights()
    history = train(model, images, epochs=2).history
    assert int(model.optimizer.iterations) > 0
    assert any((one != other).any() for one, other in zip(before, model.get_weights(), strict=True))
    assert np.isfinite(history["loss"]).all()
    codes = model.encode(images)
    assert np.isfinite(codes).all()
    assert (codes != codes[0]).any()
    made = {"generate": lambda: model.generate(3), "reconstruct": lambda: model.reconstruct(images[:3])}
    for array in (codes, *(make() for operation, make in made.items() if operation in model.capabilities)):
        assert array.dtype == np.float32
    model.save(tmp_path / "model.keras")
    assert models.load(tmp_path / "model.keras").encode(images).tobytes() == codes.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_weights_are_of_float32(dtype):
    with pytest.raises(ValueError, match=f"received dtype {dtype}, expected one of float32, mixed_float16"):
        small_model("stacked_ae", dtype=dtype)


def test_a_checkpoint_of_another_optimizer_is_told_in_mixed_precision(images, tmp_path):
    first, second = (small_model("stacked_ae", dtype="mixed_float16") for _ in range(2))
    first.compile(keras.optimizers.Adam(), loss="mse")
    train(first, images[:96], checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="optimizer was 'Adam' and is 'SGD'"):
        train(second, images[:96], epochs=2, checkpoint_dir=tmp_path, resume=True)


@every_model
def test_a_resumed_training_equals_an_uninterrupted_one(name, images, trained):
    """Whatever the global seeds are, which it leaves alone."""

    def global_states():
        _, *numpy_state = np.random.get_state()  # noqa: NPY002
        return random.getstate(), [np.asarray(part).tolist() for part in numpy_state]

    uninterrupted, expected, first_epoch = trained(name)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    tf.random.set_seed(1)
    before = global_states()
    resumed = small_model(name)
    history = train(resumed, images, resume=True, **training_options(images, first_epoch))
    assert_same_bits(state(resumed), state(uninterrupted))
    assert history.history == expected.history
    assert history.epoch == expected.epoch == [0, 1]
    assert global_states() == before


@pytest.mark.parametrize("name", ["metric", "gan"])
def test_mixed_precision_resumes(name, images, tmp_path):
    """Optimizers that scale losses, a rate that varies with the progress, two optimizers."""
    options = training_options(images, tmp_path / "whole")
    keep = KeepCheckpoint(tmp_path / "whole", tmp_path / "first_epoch")
    uninterrupted, resumed = (small_model(name, dtype="mixed_float16") for _ in range(2))
    train(uninterrupted, images, callbacks=[keep], **options)
    assert int(uninterrupted.optimizer.iterations) > 0
    train(resumed, images, resume=True, **{**options, "checkpoint_dir": keep.copy})
    assert_same_bits(state(resumed), state(uninterrupted))


@every_model
def test_the_activation_is_an_argument(name, images, tmp_path):
    model, other = small_model(name), small_model(name, activation="elu")
    other.set_weights(model.get_weights())
    assert other.activation == "elu"
    codes = other.encode(images)
    if name == "finetuned":  # the activation is that of its head
        assert (np.asarray(other(images)["logits"]) != np.asarray(model(images)["logits"])).any()
    else:
        assert (codes != model.encode(images)).any()
    other.save(tmp_path / "model.keras")
    assert models.load(tmp_path / "model.keras").encode(images).tobytes() == codes.tobytes()
    with pytest.raises(ValueError, match="activation"):
        small_model(name, activation="bent")


@every_model
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (small_model(name, seed=seed).get_weights() for seed in (0, 0, 1))
    assert_same_bits(first, again)
    assert (first[0] != other[0]).all()


@every_model
def test_wrong_images_are_refused(name, images, trained):
    model, _, _ = trained(name)
    scaled = images / 255
    damaged = scaled.copy()
    damaged[3, 2, 1] = np.nan

    def fit(x, **options):
        return model.fit(x, LABELS[: len(x)], **options)

    for use in (model.encode, fit):
        with pytest.raises(ValueError, match=r"values from 0\.0 to 255\.0, expected 0 to 1: divide"):
            use(images.astype(np.float32))
        with pytest.raises(ValueError, match=r"values from -1\.0 to 1\.0"):
            use(scaled * 2 - 1)
        with pytest.raises(ValueError, match="values from 0 to 256, expected 0 to 255"):
            use(images.astype(np.int32) + (images == 255))
        with pytest.raises(ValueError, match="NaN"):
            use(damaged)
        with pytest.raises(ValueError, match=r"shape \(256, 64\).*takes \(N, 8, 8, 1\) or \(N, 8, 8\)"):
            use(images.reshape(256, 64))
        with pytest.raises(TypeError, match="complex128"):
            use(images.astype(complex))
    for call in (model.encode, fit):
        with pytest.raises(ValueError, match="batch_size 0, expected at least 1"):
            call(images, batch_size=0)
    with pytest.raises(ValueError, match="no images"):
        fit(images[:0])
    with pytest.raises(ValueError, match="one integer label for every image"):
        model.fit(images, images)


# Registry


def test_importing_the_models_imports_no_tensorflow():
    program = """
import sys
from latentknn import models
assert "conv_ae" in models.MODELS
assert "tensorflow" not in sys.modules
assert "keras" not in sys.modules
sys.modules["tensorflow"] = None  # as if it were not installed
try:
    models.create("conv_ae")
except ModuleNotFoundError as error:
    assert 'pip install "latentknn[tensorflow]"' in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_classes_resolve_by_name():
    assert models.ConvAutoencoder is MODELS["conv_ae"].load_class()
    assert issubclass(models.ConvAutoencoder, models.Autoencoder)
    assert issubclass(models.Autoencoder, models.ImageEncoder)
    with pytest.raises(AttributeError, match="NoSuchModel"):
        models.NoSuchModel  # noqa: B018


def test_unknown_models_and_options():
    with pytest.raises(ValueError, match=r"unknown model 'nonsense': choose one of .*conv_ae"):
        models.create("nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        models.create("conv_ae", nonsense=1)
    for shape in [(28, 28), (28, 28, 0), (28, 28.5, 1)]:
        with pytest.raises(ValueError, match="three positive integers"):
            models.create("conv_ae", input_shape=shape)


def test_an_unsupported_operation_names_the_models_that_have_it():
    error = models.UnsupportedOperationError("some_model", "decode")
    assert "some_model has no decode()" in str(error)
    assert all(name in str(error) for name, entry in MODELS.items() if "decode" in entry.capabilities)
    assert "no model" in str(models.UnsupportedOperationError("some_model", "no such operation"))


# Saving


def test_save_refuses_other_paths(images, tmp_path):
    model = small_model("stacked_ae")
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        model.save(tmp_path / "model.h5")
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save(path, overwrite=False)
    model.save(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    model = small_model("stacked_ae")
    path = tmp_path / "model.keras"
    model.save(path)
    content = path.read_bytes()

    def fail(self, unfinished):
        unfinished.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_load_refuses_what_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\.keras"):
        models.load(tmp_path / "missing.keras")
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    foreign.save(tmp_path / "foreign.keras")
    with pytest.raises(ValueError, match="Sequential, which is no model of latentknn"):
        models.load(tmp_path / "foreign.keras")


# Training


def test_keras_conventions(images):
    model = small_model("simple_ae")
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    seen = []
    history = train(
        model,
        images,
        validation_data=(images[:50], np.zeros(50, dtype=int)),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))],
    )
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert seen == [{key: values[0] for key, values in history.history.items()}]


def test_early_stopping(images):
    stopping = keras.callbacks.EarlyStopping(monitor="loss", min_delta=10, patience=2)
    history = train(small_model("simple_ae"), images, epochs=10, callbacks=[stopping])
    assert history.epoch == [0, 1, 2]


def stateful_callbacks():
    return [
        keras.callbacks.EarlyStopping(monitor="loss", min_delta=0.5, patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", min_delta=0.5, patience=2, factor=0.1),
    ]


def test_callbacks_go_on_where_they_were(images, tmp_path):
    uninterrupted = small_model("simple_ae")
    expected = train(uninterrupted, images, epochs=9, callbacks=stateful_callbacks())
    assert expected.epoch == [0, 1, 2, 3]
    assert len(set(expected.history["learning_rate"])) == 2

    with pytest.raises(KeyboardInterrupt):
        train(
            small_model("simple_ae"),
            images,
            epochs=9,
            callbacks=[*stateful_callbacks(), Interruption(epoch=2)],
            checkpoint_dir=tmp_path,
        )
    for _ in range(2):  # The second time resumes what has ended.
        resumed = small_model("simple_ae")
        history = train(
            resumed,
            images,
            epochs=9,
            callbacks=stateful_callbacks(),
            checkpoint_dir=tmp_path,
            resume=True,
        )
        assert_same_bits(state(resumed), state(uninterrupted))
        assert history.history == expected.history


def test_a_finished_training_is_not_trained_again(images, tmp_path):
    options = {"epochs": 2, "checkpoint_dir": tmp_path, "resume": True}
    model, resumed = small_model("stacked_ae"), small_model("stacked_ae")
    first = train(model, images, **options)
    second = train(resumed, images, **options)
    assert_same_bits(state(resumed), state(model))
    assert second.history == first.history


def test_a_checkpoint_is_not_overwritten_by_accident(images, tmp_path):
    train(small_model("stacked_ae"), images, checkpoint_dir=tmp_path)
    content = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(FileExistsError, match="resume=True"):
        train(small_model("stacked_ae"), images, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="seed was 0 and is 1"):
        train(small_model("stacked_ae", seed=1), images, checkpoint_dir=tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"training images was '\(256, 8, 8, 1\)' and is '\(255, 8"):
        train(small_model("stacked_ae"), images[1:], checkpoint_dir=tmp_path, resume=True)
    with pytest.raises(ValueError, match="resume=True needs checkpoint_dir"):
        train(small_model("stacked_ae"), images, resume=True)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_failed_checkpoint_leaves_the_old_one(images, tmp_path, monkeypatch):
    train(small_model("stacked_ae"), images, checkpoint_dir=tmp_path)
    content = (tmp_path / FILE_NAME).read_bytes()

    def fail(tensors, unfinished, metadata):
        unfinished.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("latentknn.models.base.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        train(small_model("stacked_ae"), images, epochs=2, checkpoint_dir=tmp_path, resume=True)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_a_dataset_trains_like_the_arrays(images):
    rows = [batch for (batch,) in training_batches((np.arange(256),), 96, seed=0, first_epoch=0, epochs=1)]
    labels = np.arange(256) % 10
    dataset = tf.data.Dataset.from_tensor_slices(
        [np.pad(images[row], ((0, 96 - len(row)), (0, 0), (0, 0))) for row in rows]
    )
    lengths = tf.data.Dataset.from_tensor_slices([len(row) for row in rows])
    batches = tf.data.Dataset.zip(dataset, lengths).map(lambda padded, length: padded[:length])
    from_arrays, from_dataset = small_model("simple_ae"), small_model("simple_ae")
    expected = train(from_arrays, images, validation_data=images[:50]).history
    validation = tf.data.Dataset.from_tensor_slices((images[:50] / 255, labels[:50])).batch(50)
    history = from_dataset.fit(batches, verbose=0, validation_data=validation).history
    assert_same_bits(state(from_dataset)[:-4], state(from_arrays)[:-4])
    assert history["loss"] == expected["loss"]
    assert history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)


def test_a_dataset_resumes(images, tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(64)
    uninterrupted, resumed = small_model("dropout_ae"), small_model("dropout_ae")
    expected = uninterrupted.fit(dataset, epochs=2, verbose=0)
    small_model("dropout_ae").fit(dataset, epochs=1, verbose=0, checkpoint_dir=tmp_path)
    history = resumed.fit(dataset, epochs=2, verbose=0, checkpoint_dir=tmp_path, resume=True)
    assert history.history == expected.history
    assert_same_bits(state(resumed), state(uninterrupted))
    with pytest.raises(ValueError, match=r"training images was .*TensorSpec.* and is"):
        small_model("dropout_ae").fit(images, checkpoint_dir=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 8, 8), 256), "images go from 0 to 255"),
        (np.full((4, 8, 8), -0.5), "images go from 0 to 1"),
        (np.full((4, 8, 8, 1), np.nan), "images go from 0 to 1"),
    ],
)
def test_wrong_values_in_a_dataset(values, message):
    dataset = tf.data.Dataset.from_tensor_slices(values).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        small_model("simple_ae").fit(dataset, verbose=0)


def test_wrong_datasets_are_refused(images):
    model = small_model("simple_ae")
    dataset = tf.data.Dataset.from_tensor_slices(images)
    with pytest.raises(ValueError, match=r"images of shape \(8, 8\), but the model takes batches of shape"):
        model.fit(dataset)
    with pytest.raises(ValueError, match="without an end"):
        model.fit(dataset.batch(8).repeat())
    with pytest.raises(ValueError, match="leave y and batch_size out"):
        model.fit(dataset.batch(8), batch_size=8)
    with pytest.raises(ValueError, match="expected batches of images"):
        model.fit(tf.data.Dataset.from_tensor_slices({"images": images}).batch(8))
    labelled = tf.data.Dataset.from_tensor_slices((images, LABELS.astype(np.float32)))
    with pytest.raises(ValueError, match="labels of float32, expected integers"):
        small_model("triplet").fit(labelled.batch(8))


def test_a_dataset_of_small_integers(images):
    """Their type does not hold 255."""
    histories = [
        small_model("simple_ae")
        .fit(tf.data.Dataset.from_tensor_slices((images // 4).astype(dtype)).batch(64), verbose=0)
        .history
        for dtype in (np.uint8, np.int8)
    ]
    assert histories[0] == histories[1]


@pytest.mark.parametrize(("verbose", "expected"), [(0, 0), (2, 2)])
def test_the_time_left_is_told(images, capsys, verbose, expected):
    small_model("simple_ae").fit(images, epochs=3, verbose=verbose)
    told = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" left")]
    assert len(told) == expected
    assert all(re.fullmatch(r"about \d+ (s|min|h) left", line) for line in told)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (119, "119 s"), (150, "2 min"), (7199, "120 min"), (9000, "2 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_wrong_validation_images_leave_a_resumed_model_as_it_was(images, tmp_path):
    train(small_model("simple_ae"), images, checkpoint_dir=tmp_path)
    model = small_model("simple_ae")
    before = state(model)
    with pytest.raises(ValueError, match="shape"):
        train(model, images, epochs=2, checkpoint_dir=tmp_path, resume=True, validation_data=images[:, :5])
    assert_same_bits(state(model), before)


@pytest.mark.parametrize("name", ["conv_ae", "denoising_ae", "dropout_ae", "gan"])
def test_a_negative_share_is_refused(name):
    option = "noise" if name == "denoising_ae" else "dropout"
    with pytest.raises(ValueError, match=r"Received: (rate|stddev)=-0\.1"):
        models.create(name, **{option: -0.1})


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 4), (8, 4), (3, 4)])
def test_every_epoch_visits_every_row_once(rows, batch_size):
    def orders(seed, first_epoch, epochs):
        batches = training_batches((np.arange(rows),), batch_size, seed, first_epoch, epochs)
        per_epoch = batches_per_epoch(rows, batch_size)
        found = [batch.numpy() for (batch,) in batches]
        assert all(len(batch) <= batch_size for batch in found)
        epochs_found = [found[start : start + per_epoch] for start in range(0, len(found), per_epoch)]
        return [np.concatenate(epoch).tolist() for epoch in epochs_found]

    together = orders(seed=0, first_epoch=0, epochs=4)
    assert len(together) == 4
    assert all(sorted(order) == list(range(rows)) for order in together)
    assert len({tuple(order) for order in together}) > 1
    assert orders(seed=0, first_epoch=2, epochs=4) == together[2:]
    assert orders(seed=1, first_epoch=0, epochs=4) != together


# Parts


def test_integer_images_stay_integers(images):
    assert prepare_images(images, SHAPE).dtype == np.uint8
    assert prepare_images(images.astype(np.int32), SHAPE).dtype == np.uint8
    assert prepare_images(images > 0, SHAPE).max() == 1.0
    assert prepare_images((images / 255).astype(np.float16), SHAPE).dtype == np.float32


def test_colour_images_need_their_channels():
    with pytest.raises(ValueError, match=r"takes \(N, 4, 5, 3\)$"):
        prepare_images(np.zeros((2, 4, 5), np.uint8), (4, 5, 3))


def layer_sizes(network):
    return [layer.output.shape[1:] for layer in network.layers if layer.weights]


def test_the_published_architectures():
    stacked = models.create("stacked_ae")
    assert layer_sizes(stacked.encoder) == [(100,), (30,)]
    assert layer_sizes(stacked.decoder) == [(100,), (784,)]
    assert stacked.optimizer.learning_rate == 1.5

    simple = models.create("simple_ae")
    assert layer_sizes(simple.encoder) == [(256,), (128,), (20,)]
    assert layer_sizes(simple.decoder) == [(128,), (256,), (784,)]

    conv = models.create("conv_ae")
    convolutions = [layer for layer in conv.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in convolutions] == [
        (28, 28, 32),
        (14, 14, 64),
        (7, 7, 64),
        (7, 7, 64),
    ]
    transposed = [layer for layer in conv.decoder.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.output.shape[1:] for layer in transposed] == [
        (7, 7, 64),
        (14, 14, 64),
        (28, 28, 32),
        (28, 28, 1),
    ]
    dropouts = [
        layer.rate
        for network in (conv.encoder, conv.decoder)
        for layer in network.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert dropouts == [0.25] * 7


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 1), (9, 8, 2)])
@every_model
def test_any_image_shape(name, shape):
    images = np.random.default_rng(0).integers(0, 256, (10, *shape), dtype=np.uint8)
    model = models.create(name, input_shape=shape, **SMALL[name])
    assert model.encode(images).shape == (10, model.latent_dim)
    if "reconstruct" in model.capabilities:
        assert model.reconstruct(images).shape == (10, *shape)


def test_reconstruct_decodes_the_codes(images):
    model = small_model("simple_ae")
    assert np.array_equal(model.reconstruct(images), model.decode(model.encode(images)))
    with pytest.raises(ValueError, match=r"codes of shape \(3, 7\), but the model takes \(N, 6\)"):
        model.decode(np.zeros((3, 7)))


def test_conv_ae_refuses_unequal_lists():
    with pytest.raises(ValueError, match="equally many"):
        models.create("conv_ae", filters=(8, 8), strides=(1,))


def test_a_model_without_encode_scaled_says_so(images):
    class Incomplete(ImageEncoder):
        registry_name = "incomplete"

    with pytest.raises(NotImplementedError, match="Incomplete must implement encode_scaled"):
        Incomplete(input_shape=SHAPE, latent_dim=2, learning_rate=0.1, seed=0).encode(images)
