"""Every model in a small size, and helpers of the tests that train such models."""

import shutil

import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras

SHAPE = (8, 8, 1)
LABELS = load("digits").train_labels[:256]

# Options that make a registered model small; one without an entry is tested in its own size, which is slow.
SMALL = {
    "stacked_ae": {"latent_dim": 6, "hidden_units": (16,)},
    "simple_ae": {"latent_dim": 6, "hidden_units": (24, 16)},
    "conv_ae": {"latent_dim": 6, "filters": (4, 4), "strides": (1, 2), "shift": 1, "whitening": 0.5},
    "deep_ae": {"latent_dim": 6, "hidden_units": (24, 16)},
    "pool_ae": {"latent_dim": 6, "filters": (4, 8)},
    "denoising_ae": {"latent_dim": 6, "hidden_units": (16,)},
    "self_supervised": {
        "latent_dim": 6,
        "filters": (4, 4),
        "strides": (1, 2),
        "projection_units": (8, 4),
        "whitening": 0.5,
    },
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


def training_options(images, folder):
    return {"epochs": 2, "validation_data": (images[:50], LABELS[:50]), "checkpoint_dir": folder}


def small_model(name, **options):
    return models.create(name, input_shape=SHAPE, **(SMALL.get(name, {}) | options))


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
