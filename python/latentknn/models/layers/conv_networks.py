"""Convolutional encoders and decoders."""

from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import ImageShape
from latentknn.models.layers.activations import activation_layer
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.dropout import Dropout


def conv_encoder(
    input_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    strides: tuple[int, ...],
    dropout: float,
    activation: str = "leaky_relu",
    *,
    kernel_size: int = 3,
    batch_normalization: bool = True,
) -> Any:
    """Return a network from images through strided convolutions to a dense code.

    Every convolution is followed by its activation, batch normalisation and dropout, where there are such.

    Parameters
    ----------
    input_shape : tuple of int
        (H, W, C) of the images.
    latent_dim : int
        Length of the code.
    filters, strides : tuple of int, equally many
        Filters and strides of the convolutions.
    dropout : float
        Share of the values that dropout sets to zero, from 0 (no dropout) to below 1.
    activation : str
        Activation of every convolution.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    batch_normalization : bool
        Whether convolutions are followed by batch normalisation.

    Returns
    -------
    keras.Sequential
        From (N, H, W, C) to (N, latent_dim).

    Raises
    ------
    ValueError
        If there are no filters, or not as many strides, or kernels are empty.
    """
    if kernel_size < 1:
        raise ValueError(f"received kernel_size {kernel_size}, expected at least 1")
    if len(filters) != len(strides) or not filters:
        raise ValueError(
            f"received filters {filters} and strides {strides}, expected equally many, at least one"
        )
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    for channels, stride in zip(filters, strides, strict=True):
        network.add(keras.layers.Conv2D(channels, kernel_size, stride, padding="same"))
        _add_activation(network, activation, dropout, batch_normalization)
    network.add(keras.layers.Flatten())
    network.add(keras.layers.Dense(latent_dim, dtype="float32"))
    return network


def conv_decoder(
    output_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    strides: tuple[int, ...],
    dropout: float,
    activation: str = "leaky_relu",
    *,
    kernel_size: int = 3,
    batch_normalization: bool = True,
    output_activation: str | None = "sigmoid",
) -> Any:
    """Return the mirror of ``conv_encoder``: a dense layer and transposed convolutions to pixels.

    Parameters
    ----------
    output_shape : tuple of int
        (H, W, C) of the images.
    latent_dim, filters, strides, dropout, activation, kernel_size, batch_normalization
        Those of the encoder.
    output_activation : str or None
        Keras activation of the pixels; None: linear.

    Returns
    -------
    keras.Sequential
        From (N, latent_dim) to (N, H, W, C).
    """
    height, width, output_channels = output_shape
    grid_height, grid_width = height, width
    for stride in strides:
        # A padded convolution rounds up. The output of the decoder may then be too large, and is cropped.
        grid_height, grid_width = -(-grid_height // stride), -(-grid_width // stride)

    network = keras.Sequential([keras.Input((latent_dim,))], name="decoder")
    network.add(keras.layers.Dense(grid_height * grid_width * filters[-1]))
    network.add(keras.layers.Reshape((grid_height, grid_width, filters[-1])))
    for channels, stride in zip(filters[-2::-1], strides[:0:-1], strict=True):
        network.add(keras.layers.Conv2DTranspose(channels, kernel_size, stride, padding="same"))
        _add_activation(network, activation, dropout, batch_normalization)
    network.add(
        keras.layers.Conv2DTranspose(
            output_channels,
            kernel_size,
            strides[0],
            padding="same",
            activation=output_activation,
            dtype="float32",
        )
    )
    _, decoded_height, decoded_width, _ = network.output_shape
    if (decoded_height, decoded_width) != (height, width):
        network.add(
            keras.layers.Cropping2D(
                ((0, decoded_height - height), (0, decoded_width - width)), dtype="float32"
            )
        )
    return network


def _add_activation(network: Any, activation: str, dropout: float, batch_normalization: bool) -> None:
    network.add(activation_layer(activation))
    if batch_normalization:
        network.add(BatchNormalization())
    if dropout != 0:
        network.add(Dropout(dropout))
