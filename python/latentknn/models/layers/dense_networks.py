"""Fully connected encoders and decoders."""

import math
from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import ImageShape
from latentknn.models.layers.dropout import Dropout


def dense_encoder(
    input_shape: ImageShape,
    hidden_units: Iterable[int],
    latent_dim: int,
    activation: str,
    code_activation: str | None = None,
    *,
    noise: float = 0.0,
    dropout: float = 0.0,
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
    noise : float
        Standard deviation of the Gaussian noise that is added to the pixels while training.
    dropout : float
        Share of the values of every hidden layer that are set to zero while training.

    Returns
    -------
    keras.Sequential
        From (N, H, W, C) to (N, latent_dim).
    """
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    if noise != 0:
        network.add(keras.layers.GaussianNoise(noise))
    network.add(keras.layers.Flatten())
    _add_hidden_layers(network, hidden_units, activation, dropout)
    network.add(keras.layers.Dense(latent_dim, activation=code_activation, dtype="float32"))
    return network


def dense_decoder(
    latent_dim: int,
    hidden_units: Iterable[int],
    output_shape: ImageShape,
    activation: str,
    output_activation: str | None = None,
    *,
    dropout: float = 0.0,
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
    dropout : float
        Share of the values of every hidden layer that are set to zero while training.

    Returns
    -------
    keras.Sequential
        From (N, latent_dim) to (N, H, W, C).
    """
    network = keras.Sequential([keras.Input((latent_dim,))], name="decoder")
    _add_hidden_layers(network, hidden_units, activation, dropout)
    network.add(keras.layers.Dense(math.prod(output_shape), activation=output_activation, dtype="float32"))
    network.add(keras.layers.Reshape(output_shape, dtype="float32"))
    return network


def _add_hidden_layers(network: Any, hidden_units: Iterable[int], activation: str, dropout: float) -> None:
    for units in hidden_units:
        network.add(keras.layers.Dense(units, activation=activation))
        if dropout != 0:
            network.add(Dropout(dropout))
