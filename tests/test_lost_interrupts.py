"""Ctrl-C in a training, when a library catches the exception."""

import signal
import threading

import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras

IMAGES = load("digits").train_images[:256]
BATCHES = 4


class Losing(keras.callbacks.Callback):
    """Interrupt the process once, at a named point of the training, and catch the exception."""

    def __init__(self, point):
        super().__init__()
        self.batches = 0
        self._lost = False
        setattr(self, point, self._lose)

    def on_train_batch_begin(self, batch, logs=None):
        self.batches += 1

    def _lose(self, *arguments, **keywords):
        if not self._lost:
            self._lost = True
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                return


def train(callback):
    model = models.create("simple_ae", input_shape=(8, 8, 1), latent_dim=4, hidden_units=(8,))
    return model.fit(
        IMAGES, batch_size=64, epochs=2, verbose=0, callbacks=[callback], validation_data=IMAGES[:64]
    )


@pytest.mark.parametrize(
    ("point", "batches"),
    [
        ("on_train_begin", 0),
        ("on_train_batch_end", 1),
        ("on_test_begin", BATCHES),
        ("on_epoch_end", BATCHES),
        ("on_train_end", 2 * BATCHES),
    ],
)
def test_a_lost_interrupt_ends_the_training_at_its_next_batch(point, batches):
    before = signal.getsignal(signal.SIGINT)
    losing = Losing(point)
    with pytest.raises(KeyboardInterrupt):
        train(losing)
    assert losing.batches == batches
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_raises_nothing_ends_nothing():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        losing = Losing("on_train_batch_end")
        assert train(losing).epoch == [0, 1]
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]
    assert losing.batches == 2 * BATCHES


def test_a_handler_that_a_callback_sets_stays():
    def handler(number, frame):
        pass

    before = signal.getsignal(signal.SIGINT)
    callback = keras.callbacks.Callback()
    callback.on_epoch_end = lambda *arguments, **keywords: signal.signal(signal.SIGINT, handler)
    try:
        train(callback)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_that_is_not_pythons_stays(ignored):
    before = signal.signal(signal.SIGINT, ignored)
    try:
        assert train(keras.callbacks.Callback()).epoch == [0, 1]
        assert signal.getsignal(signal.SIGINT) == ignored
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_in_another_thread_sets_no_handler():
    epochs = []
    thread = threading.Thread(target=lambda: epochs.extend(train(keras.callbacks.Callback()).epoch))
    thread.start()
    thread.join()
    assert epochs == [0, 1]
