"""Codes of real images, normalised: raw pixels, principal components, and codes of trained models.

    python -m benchmarks.speed.data.codes      # trains the models of scenario B and keeps their codes

Each function takes the numbers of database rows, of queries and of dimensions. Trained codes are kept in the
user's cache folder, because a training gives other weights on another machine.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from benchmarks.harness.arrays import Codes, normalised
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import CACHE
from latentknn import datasets
from latentknn.atomic_file import atomic_file

PIXELS = 784
DIMS = (10, 32, 64, 128)
EPOCHS = 2
# A model has options and a batch size. Without dropout and at this rate conv_ae learns something in two
# epochs.
MODELS = {"conv_ae": ({"dropout": 0.0, "learning_rate": 1e-3}, 256)}


def pixels(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return raw Fashion-MNIST; `dim` must be 784."""
    train, test = _flat_images()
    if dim != train.shape[1]:
        raise ValueError(f"raw pixels have {train.shape[1]} dimensions, received {dim}")
    return normalised(train[:rows]), normalised(test[:queries])


def rotated_pixels(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return raw Fashion-MNIST under a random rotation (computed in float64, then rounded)."""
    train, test = pixels(rows, queries, dim)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    return (train @ rotation).astype(np.float32), (test @ rotation).astype(np.float32)


def principal_components(rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return the first principal components of Fashion-MNIST's training images."""
    train, test = _flat_images()
    pca = PCA(dim, svd_solver="covariance_eigh").fit(train)
    return normalised(pca.transform(train)[:rows]), normalised(pca.transform(test)[:queries])


def trained_codes(model: str, rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return Fashion-MNIST as a model of the package encodes it, trained at the first call."""
    path = _cache_file(model, dim)
    if not path.is_file():
        print(f"training {model} with {dim} dimensions for {EPOCHS} epochs", flush=True)
        # TensorFlow's threads and memory end with the process.
        in_fresh_process(train_and_keep, model, dim)
    train, test = kept_codes(path)
    return normalised(train[:rows]), normalised(test[:queries])


def kept_codes(path: Path) -> tuple[Codes, Codes]:
    """Return the codes of training and test images that keep_codes() has written."""
    with np.load(path, allow_pickle=False) as kept:
        return kept["train"], kept["test"]


def keep_codes(path: Path, train: Codes, test: Codes) -> None:
    """Write the codes of training and test images to a file, as a whole or not at all."""
    # Given a name, np.savez would write to another one that ends in ".npz".
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, train=train, test=test)


def train_and_keep(model: str, dim: int) -> None:
    """Train a model on Fashion-MNIST, seed 0, and keep its codes in the user's cache folder."""
    data = datasets.load("fashion_mnist")
    train, test = train_and_encode(model, dim, data.train_images, data.test_images)
    path = _cache_file(model, dim)
    path.parent.mkdir(parents=True, exist_ok=True)
    keep_codes(path, train, test)


def train_and_encode(
    model: str, dim: int, train_images: NDArray[np.uint8], test_images: NDArray[np.uint8]
) -> tuple[Codes, Codes]:
    """Train a model on the first images and return the codes of both sets."""
    from latentknn import models

    options, batch_size = MODELS[model]
    network = models.create(model, latent_dim=dim, seed=0, **options)
    network.fit(train_images, batch_size=batch_size, epochs=EPOCHS, verbose=2)
    return network.encode(train_images), network.encode(test_images)


def _flat_images() -> tuple[Codes, Codes]:
    data = datasets.load("fashion_mnist")
    train, test = (
        images.reshape(len(images), -1).astype(np.float32) / 255
        for images in (data.train_images, data.test_images)
    )
    return train, test


def _cache_file(model: str, dim: int) -> Path:
    return CACHE / f"{model}-{dim}-dimensions-{EPOCHS}-epochs.npz"


def main() -> None:
    for model in MODELS:
        for dim in DIMS:
            began = time.perf_counter()
            codes, _ = trained_codes(model, 60_000, 10_000, dim)
            print(f"{model}: codes of shape {codes.shape} after {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
