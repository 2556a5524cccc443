"""A convolutional autoencoder with max-pooling."""

import math
from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.images import ImageShape, check_input_shape
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.seeding import seeded_layers


@keras.saving.register_keras_serializable(package="latentknn")
class PoolAutoencoder(Autoencoder):
    """Convolutions of 16, 32 and 64 filters, each followed by max-pooling, and transposed convolutions.

    SELU on all layers but the last, which gives pixels by a sigmoid; binary cross-entropy. As published, the
    code is the flattened grid after the last pooling: 3x3x64 for images of 28x28.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int or None
        Length of a code. None, or the size of the last grid: the grid is the code. Any other number: a dense
        layer on either side of the code.
    filters : iterable of int
        Filters of the encoder's convolutions; the decoder mirrors them.
    activation : str
        Keras activation of all layers but the code and the pixels.
    kernel_size : int
        Width and height of the kernels of all convolutions, at least 3: smaller ones would not give back the
        row and column that pooling leaves out of an odd number.
    batch_normalization : bool
        Whether the convolutions but the last are followed by batch normalisation.
    learning_rate : float
        Learning rate of stochastic gradient descent.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import PoolAutoencoder
    >>> model = PoolAutoencoder(
    ...     input_shape=(8, 8, 1), filters=(4, 8)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 32)
    """

    registry_name = "pool_ae"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int | None = None,
        filters: Iterable[int] = (16, 32, 64),
        activation: str = "selu",
        kernel_size: int = 3,
        batch_normalization: bool = False,
        learning_rate: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters = tuple(filters)
        if not filters:
            raise ValueError("received no filters, expected at least one convolution")
        if kernel_size < 3:
            raise ValueError(f"received kernel_size {kernel_size}, expected at least 3")
        sizes = _grid_sizes(input_shape, len(filters))
        grid = (*sizes[-1], filters[-1])
        latent_dim = math.prod(grid) if latent_dim is None else latent_dim
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = _encoder(
                input_shape, sizes, latent_dim, filters, activation, kernel_size, batch_normalization
            )
            decoder = _decoder(
                input_shape, sizes, latent_dim, filters, activation, kernel_size, batch_normalization
            )

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

        # Config
        self.filters = filters
        self.activation = activation
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.finish(keras.losses.BinaryCrossentropy())

    def make_optimizer(self) -> Any:
        """Return plain stochastic gradient descent."""
        return keras.optimizers.SGD(self.learning_rate)


def _grid_sizes(input_shape: ImageShape, poolings: int) -> list[tuple[int, int]]:
    """Return height and width before the first pooling and after each; what is 1 already stays 1."""
    height, width, _ = input_shape
    sizes = [(height, width)]
    for _ in range(poolings):
        height, width = max(height // 2, 1), max(width // 2, 1)
        sizes.append((height, width))
    return sizes


def _encoder(
    input_shape: ImageShape,
    sizes: list[tuple[int, int]],
    latent_dim: int,
    filters: tuple[int, ...],
    activation: str,
    kernel_size: int,
    batch_normalization: bool,
) -> Any:
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    for channels, (height, width) in zip(filters, sizes, strict=False):
        network.add(keras.layers.Conv2D(channels, kernel_size, padding="same", activation=activation))
        if batch_normalization:
            network.add(BatchNormalization())
        network.add(keras.layers.MaxPool2D((min(height, 2), min(width, 2))))
    network.add(keras.layers.Flatten(dtype="float32"))
    if network.output_shape[1] != latent_dim:
        network.add(keras.layers.Dense(latent_dim, dtype="float32"))
    return network


def _decoder(
    output_shape: ImageShape,
    sizes: list[tuple[int, int]],
    latent_dim: int,
    filters: tuple[int, ...],
    activation: str,
    kernel_size: int,
    batch_normalization: bool,
) -> Any:
    grid = (*sizes[-1], filters[-1])
    network = keras.Sequential([keras.Input((latent_dim,))], name="decoder")
    if math.prod(grid) != latent_dim:
        network.add(keras.layers.Dense(math.prod(grid), activation=activation))
    network.add(keras.layers.Reshape(grid))
    *_, output_channels = output_shape
    layers: list[tuple[int, str, str | None]]
    layers = [(channels, activation, None) for channels in filters[-2::-1]]
    layers.append((output_channels, "sigmoid", "float32"))
    for (channels, layer_activation, dtype), (height, width) in zip(layers, sizes[-2::-1], strict=True):
        # A grid of n becomes at least 2n + 1 without padding, and 2n with padding.
        odd = height % 2 == 1 or width % 2 == 1
        network.add(
            keras.layers.Conv2DTranspose(
                channels,
                kernel_size,
                2,
                padding="valid" if odd else "same",
                activation=layer_activation,
                dtype=dtype,
            )
        )
        _, found_height, found_width, _ = network.output_shape
        if (found_height, found_width) != (height, width):
            cropped = ((0, found_height - height), (0, found_width - width))
            network.add(keras.layers.Cropping2D(cropped, dtype=dtype))
        if batch_normalization and dtype is None:
            network.add(BatchNormalization())
    return network
