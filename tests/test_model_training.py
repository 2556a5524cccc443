"""Trainings follow the conventions of Keras, go on after a break, and read arrays and datasets alike."""

import json
import re

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from latentknn.datasets import load
from latentknn.models import StackedAutoencoder
from latentknn.models.backend import keras, tf
from latentknn.models.base.checkpoint import FILE_NAME
from latentknn.models.training.batches import training_batches
from latentknn.models.training.time_left import duration
from small_models import LABELS, SHAPE, Interruption, assert_same_bits, small_model, state, train

WIDTH = np.int64(4)  # no value of JSON


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


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


def test_early_stopping_ends_a_training(images):
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
    for _ in range(2):  # The second time resumes a training that has ended.
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


def test_a_checkpoint_that_lacks_an_option_is_one_of_its_default(images, tmp_path):
    """An older version wrote it, which did not have the option yet."""
    uninterrupted, first = small_model("triplet"), small_model("triplet")
    train(uninterrupted, images, epochs=2)
    train(first, images, epochs=1, checkpoint_dir=tmp_path)
    path = tmp_path / FILE_NAME
    with safe_open(path, framework="numpy") as file:
        content = json.loads(file.metadata()["state"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert content["run"].pop("kernel_size") == 3
    assert content["run"].pop("batch_normalization") is True
    save_file(tensors, path, metadata={"state": json.dumps(content)})

    with pytest.raises(ValueError, match="kernel_size was 3 and is 5; train with the same settings"):
        train(small_model("triplet", kernel_size=5), images, epochs=2, checkpoint_dir=tmp_path, resume=True)
    resumed = small_model("triplet")
    train(resumed, images, epochs=2, checkpoint_dir=tmp_path, resume=True)
    assert_same_bits(state(resumed), state(uninterrupted))


def test_a_model_of_the_callers_own_goes_on_from_its_checkpoint(images, tmp_path):
    class Named(StackedAutoencoder):
        def __init__(self, *, name="named", width=WIDTH, **options):
            super().__init__(**options)
            self.width = int(width)

    def named():
        return Named(input_shape=SHAPE)

    uninterrupted, first, resumed = named(), named(), named()
    train(uninterrupted, images, epochs=2)
    train(first, images, epochs=1, checkpoint_dir=tmp_path)
    train(resumed, images, epochs=2, checkpoint_dir=tmp_path, resume=True)
    assert_same_bits(state(resumed), state(uninterrupted))


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


def test_a_training_on_a_dataset_is_resumed(images, tmp_path):
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
def test_wrong_values_in_a_dataset_are_refused(values, message):
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


def test_datasets_of_small_integers_train_alike(images):
    """int8 does not hold 255."""
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
