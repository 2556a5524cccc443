"""The kinds of outputs that the decoder of a dense autoencoder has."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from latentknn.models.backend import keras


@dataclass(frozen=True)
class Pixels:
    """What the decoder's outputs are, and how they are compared with images.

    Parameters
    ----------
    activation : str or None
        Keras activation of the decoder's last layer; None: linear.
    make_loss : callable
        Returns a loss of Keras between images and outputs.
    to_images : callable
        From a tensor of outputs to one of images from 0 to 1.
    """

    activation: str | None
    make_loss: Callable[[], Any]
    to_images: Callable[[Any], Any]


PIXELS = MappingProxyType(
    {
        "sigmoid": Pixels("sigmoid", lambda: keras.losses.BinaryCrossentropy(), lambda outputs: outputs),
        "logits": Pixels(None, lambda: keras.losses.BinaryCrossentropy(from_logits=True), keras.ops.sigmoid),
        "linear": Pixels(
            None,
            lambda: keras.losses.MeanSquaredError(),
            lambda outputs: keras.ops.clip(outputs, 0.0, 1.0),
        ),
    }
)
"""The kinds by name."""
