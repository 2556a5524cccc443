"""Images that a model generates after every epoch of its training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.evaluation.code_mixture import sample_like
from latentknn.models.backend import keras
from latentknn.models.base.image_encoder import ImageEncoder


def generate_images(
    model: ImageEncoder, n: int, images: ArrayLike, labels: ArrayLike, seed: int = 0
) -> NDArray[np.float32]:
    """Generate images, by a mixture that is fitted to codes if the model has no distribution of its own.

    Parameters
    ----------
    model : ImageEncoder
        A model that can generate or decode.
    n : int
        Number of images.
    images : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
        Images whose codes `sample_like` imitates if the model has no distribution of its own.
    labels : array_like of int, shape (N,)
        Classes of the images, on which the codes of conditional models depend.
    seed : int
        Seed of everything random.

    Returns
    -------
    ndarray of float32, shape (n, H, W, C)
        Images from 0 to 1.

    Raises
    ------
    ValueError
        If codes are not finite.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import generate_images
    >>> from latentknn.models import create
    >>> digits = load("digits")
    >>> model = create("simple_ae", input_shape=digits.image_shape, latent_dim=4, hidden_units=(8,))
    >>> generate_images(model, 3, digits.train_images[:100], digits.train_labels[:100]).shape
    (3, 8, 8, 1)
    """
    if "generate" in model.capabilities:
        return model.generate(n, seed=seed)
    return model.decode(sample_like(model.encode_labelled(images, labels), n, seed))


def new_history() -> Any:
    """Return Keras's callback that records the epochs of one call of ``fit``."""
    return keras.callbacks.History()


class SampleRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Let the model generate images from the same noise after every epoch.

    Parameters
    ----------
    images, labels : array_like
        See ``generate_images``; some thousands are enough.
    count : int
        Number of images an epoch.
    seed : int
        Seed of the noise.

    Attributes
    ----------
    samples : dict of int to ndarray of float32, shape (count, H, W, C)
        The images by epoch, counted from 1. Epochs before a resumed checkpoint and epochs whose loss is not
        finite have none.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import SampleRecorder
    >>> from latentknn.models import create
    >>> digits = load("digits")
    >>> recorder = SampleRecorder(digits.train_images[:100], digits.train_labels[:100], count=4)
    >>> model = create("simple_ae", input_shape=digits.image_shape, latent_dim=4, hidden_units=(8,))
    >>> _ = model.fit(digits.train_images[:100], epochs=2, verbose=0, callbacks=[recorder])
    >>> {epoch: images.shape for epoch, images in recorder.samples.items()}
    {1: (4, 8, 8, 1), 2: (4, 8, 8, 1)}
    """

    def __init__(self, images: ArrayLike, labels: ArrayLike, count: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.images = images
        self.labels = labels
        self.count = count
        self.seed = seed
        self.samples: dict[int, NDArray[np.float32]] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse images and labels that the model could not encode."""
        if "generate" not in self.model.capabilities:
            self.model.check_labelled(self.images, self.labels)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Generate the images of this epoch and record them."""
        if logs is None or np.isfinite(logs.get("loss", 0.0)):
            self.samples[epoch + 1] = generate_images(
                self.model, self.count, self.images, self.labels, self.seed
            )
