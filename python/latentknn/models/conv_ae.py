"""A convolutional autoencoder."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoder import Autoencoder
from latentknn.models.backend import keras
from latentknn.models.images import ImageShape, check_input_shape
from latentknn.models.seeding import seeded_layers


@keras.saving.register_keras_serializable(package="latentknn")
class ConvAutoencoder(Autoencoder):
    """Strided 3x3 convolutions to a dense code, mirrored by transposed convolutions, and squared error.

    Every convolution but the last is followed by leaky ReLU, batch normalisation and dropout; the last one
    gives pixels by a sigmoid.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    filters, strides : iterable of int, equally many
        Of the encoder's convolutions; the decoder mirrors them.
    dropout : float
        Share of the values that dropout sets to zero, from 0 (no dropout) to below 1.
    learning_rate : float
        Of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    D. Foster, "Generative Deep Learning", chapter 3.
    """

    registry_name = "conv_ae"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 128,
        filters: Iterable[int] = (32, 64, 64, 64),
        strides: Iterable[int] = (1, 2, 2, 1),
        dropout: float = 0.25,
        learning_rate: float = 5e-4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters, strides = tuple(filters), tuple(strides)
        if len(filters) != len(strides) or not filters:
            raise ValueError(f"received filters {filters} and strides {strides}, expected equally many")
        with seeded_layers(seed):
            encoder = _encoder(input_shape, latent_dim, filters, strides, dropout)
            decoder = _decoder(input_shape, latent_dim, filters, strides, dropout)

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            loss=keras.losses.MeanSquaredError(),
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

        # Config
        self.filters = filters
        self.strides = strides
        self.dropout = dropout


def _encoder(
    input_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    strides: tuple[int, ...],
    dropout: float,
) -> Any:
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    for channels, stride in zip(filters, strides, strict=True):
        network.add(keras.layers.Conv2D(channels, 3, stride, padding="same"))
        _add_activation(network, dropout)
    network.add(keras.layers.Flatten())
    network.add(keras.layers.Dense(latent_dim))
    return network


def _decoder(
    output_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    strides: tuple[int, ...],
    dropout: float,
) -> Any:
    height, width, output_channels = output_shape
    grid_height, grid_width = height, width
    for stride in strides:
        # A padded convolution rounds up, so the decoder may come out larger and is cropped at the end.
        grid_height, grid_width = -(-grid_height // stride), -(-grid_width // stride)

    network = keras.Sequential([keras.Input((latent_dim,))], name="decoder")
    network.add(keras.layers.Dense(grid_height * grid_width * filters[-1]))
    network.add(keras.layers.Reshape((grid_height, grid_width, filters[-1])))
    for channels, stride in zip(filters[-2::-1], strides[:0:-1], strict=True):
        network.add(keras.layers.Conv2DTranspose(channels, 3, stride, padding="same"))
        _add_activation(network, dropout)
    network.add(
        keras.layers.Conv2DTranspose(output_channels, 3, strides[0], padding="same", activation="sigmoid")
    )
    _, decoded_height, decoded_width, _ = network.output_shape
    if (decoded_height, decoded_width) != (height, width):
        network.add(keras.layers.Cropping2D(((0, decoded_height - height), (0, decoded_width - width))))
    return network


def _add_activation(network: Any, dropout: float) -> None:
    network.add(keras.layers.LeakyReLU())
    network.add(keras.layers.BatchNormalization())
    if dropout > 0:
        network.add(keras.layers.Dropout(dropout))
