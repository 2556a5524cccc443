"""``fit`` and ``encode`` take batches that others make: a ``PyDataset`` and a ``tf.data.Dataset``."""

import numpy as np
import pytest

from latentknn.datasets import load
from latentknn.models.backend import keras, tf
from small_models import LABELS, assert_same_bits, small_model, state


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


def weights_of(model):
    return [np.asarray(weight) for weight in model.get_weights()]


class Batches(keras.utils.PyDataset):
    """Batches of 64 images, which remember the passes over them."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = parts
        self.read = []
        self.ends = 0

    def __len__(self):
        return 4

    def __getitem__(self, number):
        self.read.append(number)
        batch = tuple(part[64 * number : 64 * number + 64] for part in self.parts)
        return batch if len(batch) > 1 else batch[0]

    def on_epoch_end(self):
        self.ends += 1


def test_a_pydataset_trains_like_the_arrays(images):
    weights = np.random.default_rng(0).random(256).astype(np.float32)
    for parts, given in (
        ((images, LABELS), {}),
        ((images, LABELS, weights), {"sample_weight": weights}),
    ):
        from_arrays, from_sequence = (small_model("finetuned", pretraining_epochs=0) for _ in range(2))
        sequence = Batches(*parts)
        options = {"epochs": 2, "shuffle": False, "verbose": 0}
        expected = from_arrays.fit(images, LABELS, batch_size=64, **given, **options).history
        history = from_sequence.fit(sequence, validation_data=Batches(images, LABELS), **options).history
        assert history["loss"] == expected["loss"]
        assert_same_bits(weights_of(from_sequence), weights_of(from_arrays))
        assert history["val_loss"][-1] == from_sequence.evaluate(Batches(images, LABELS), verbose=0)[0]
        assert sequence.ends >= 1


def test_batches_of_a_pydataset_are_shuffled_by_the_seed(images):
    orders = []
    for _ in range(2):
        sequence = Batches(images)
        small_model("simple_ae").fit(sequence, epochs=8, verbose=0)
        orders.append(sequence.read[-32:])
    assert orders[0] == orders[1]
    passes = [tuple(orders[0][i : i + 4]) for i in range(0, 32, 4)]
    assert all(sorted(one) == [0, 1, 2, 3] for one in passes)
    assert len(set(passes)) > 1


def test_a_training_on_a_pydataset_is_resumed(images, tmp_path):
    whole, resumed = small_model("simple_ae"), small_model("simple_ae")
    whole.fit(Batches(images), epochs=3, verbose=0)
    small_model("simple_ae").fit(Batches(images), epochs=1, verbose=0, checkpoint_dir=tmp_path)
    resumed.fit(Batches(images), epochs=3, verbose=0, checkpoint_dir=tmp_path, resume=True)
    assert_same_bits(state(resumed), state(whole))


def test_a_pydataset_without_an_end_needs_the_length_of_an_epoch(images):
    class Endless(Batches):
        @property
        def num_batches(self):
            return None

        def __getitem__(self, number):
            return super().__getitem__(number % 4)

    with pytest.raises(ValueError, match="by steps_per_epoch"):
        small_model("simple_ae").fit(Endless(images), verbose=0)
    with pytest.raises(ValueError, match="without an end, where one pass over it is needed"):
        small_model("simple_ae").encode(Endless(images))
    model, expected = small_model("simple_ae"), small_model("simple_ae")
    model.fit(Endless(images), epochs=2, steps_per_epoch=3, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(64)
    expected.fit(dataset, epochs=2, steps_per_epoch=3, verbose=0)
    assert_same_bits(weights_of(model), weights_of(expected))


@pytest.mark.parametrize("name", ["simple_ae", "conditional_ae", "finetuned"])
def test_batches_are_encoded_like_the_arrays(images, name):
    model = small_model(name)
    expected = model.encode(images, batch_size=64)
    labelled = tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(64)
    assert model.encode(labelled).tobytes() == expected.tobytes()
    assert model.encode(labelled.map(lambda x, y: x)).tobytes() == expected.tobytes()
    assert model.encode(Batches(images, LABELS)).tobytes() == expected.tobytes()
    assert model.encode(labelled.take(0)).shape == (0, model.latent_dim)
    labels = model.encode_labelled(images, LABELS, batch_size=64)
    assert model.encode_labelled(labelled, LABELS).tobytes() == labels.tobytes()
    queries = model.encode_queries(images, batch_size=64)
    assert model.encode_queries(labelled).tobytes() == queries.tobytes()


def test_batches_of_another_shape_are_not_encoded(images):
    with pytest.raises(ValueError, match="but the model takes batches of shape"):
        small_model("simple_ae").encode(tf.data.Dataset.from_tensor_slices(images[:, :5]).batch(9))
    with pytest.raises(ValueError, match="without an end"):
        small_model("simple_ae").encode(tf.data.Dataset.from_tensor_slices(images).batch(9).repeat())
