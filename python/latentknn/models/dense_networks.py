"""Fully connected encoders and decoders."""

import math
from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import ImageShape


def dense_encoder(
    input_shape: ImageShape,
    hidden_units: Iterable[int],
    latent_dim: int,
    activation: str,
    code_activation: str | None = None,
) -> Any:
    """Return a network from images, flattened, through hidden layers to a code.

    Parameters
    ----------
    input_shape : tuple of int
        (H, W, C) of the images.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code.
    latent_dim : int
        Length of the code.
    activation : str
        Keras activation of the hidden layers.
    code_activation : str or None
        Keras activation of the code; None: linear.

    Returns
    -------
    keras.Sequential
        From (N, H, W, C) to (N, latent_dim).
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Flatten(),
            *(keras.layers.Dense(units, activation=activation) for units in hidden_units),
            keras.layers.Dense(latent_dim, activation=code_activation),
        ],
        name="encoder",
    )


def dense_decoder(
    latent_dim: int,
    hidden_units: Iterable[int],
    output_shape: ImageShape,
    activation: str,
    output_activation: str | None = None,
) -> Any:
    """Return a network from a code through hidden layers to an image.

    Parameters
    ----------
    latent_dim : int
        Length of the code.
    hidden_units : iterable of int
        Width of every hidden layer, from the code to the image.
    output_shape : tuple of int
        (H, W, C) of the images.
    activation : str
        Keras activation of the hidden layers.
    output_activation : str or None
        Keras activation of the pixels; None: linear.

    Returns
    -------
    keras.Sequential
        From (N, latent_dim) to (N, H, W, C).
    """
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *(keras.layers.Dense(units, activation=activation) for units in hidden_units),
            keras.layers.Dense(math.prod(output_shape), activation=output_activation),
            keras.layers.Reshape(output_shape),
        ],
        name="decoder",
    )
