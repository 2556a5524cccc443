"""Running averages, which become the weights of the metric encoder at the end of a training."""

import numpy as np
import pytest

from latentknn import CosineKNNClassifier, models
from latentknn.datasets import load
from latentknn.models.backend import keras
from latentknn.models.layers.running_averages import early_momentum
from latentknn.models.supervised.metric import MetricEncoder

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


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
    """With a fixed momentum, the weights after the first of 28 steps were more than half of the average."""

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
