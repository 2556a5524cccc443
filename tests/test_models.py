"""Behaviour that all models share."""

import functools
import inspect
import json
import pickle
import random
import zipfile

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS, OPERATIONS
from latentknn.models.backend import keras, tf
from small_models import (
    LABELS,
    SHAPE,
    SMALL,
    KeepCheckpoint,
    assert_same_bits,
    every_model,
    small_model,
    state,
    train,
    training_options,
)


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
MIXED += [
    (name, "mixed_bfloat16")
    for name in ("conditional_ae", "gan", "metric", "self_supervised", "vae", "vqvae")
]


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
    """The training neither depends on the global random state nor changes it."""

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
def test_a_training_in_mixed_precision_is_resumed(name, images, tmp_path):
    """Optimizers scale losses here; one model has a cycle of rates, and the other has two optimizers."""
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
    # The activation of a fine-tuned model is in its head, on which codes do not depend.
    if name == "finetuned":
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


@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 1), (9, 8, 2)])
@every_model
def test_any_image_shape(name, shape):
    images = np.random.default_rng(0).integers(0, 256, (10, *shape), dtype=np.uint8)
    model = models.create(name, input_shape=shape, **SMALL.get(name, {}))
    assert model.encode(images).shape == (10, model.latent_dim)
    if "reconstruct" in model.capabilities:
        assert model.reconstruct(images).shape == (10, *shape)
