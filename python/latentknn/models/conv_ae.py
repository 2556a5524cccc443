"""A convolutional autoencoder."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoder import Autoencoder
from latentknn.models.backend import keras
from latentknn.models.conv_networks import conv_decoder, conv_encoder
from latentknn.models.images import check_input_shape
from latentknn.models.precision import layers_of
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
    activation : str
        Keras activation of the convolutions but for the pixels; ``"leaky_relu"`` has slope 0.3 below zero.
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
        activation: str = "leaky_relu",
        learning_rate: float = 5e-4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters, strides = tuple(filters), tuple(strides)
        with seeded_layers(seed), layers_of(kwargs.get("dtype")):
            encoder = conv_encoder(input_shape, latent_dim, filters, strides, dropout, activation)
            decoder = conv_decoder(input_shape, latent_dim, filters, strides, dropout, activation)

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
        self.strides = strides
        self.dropout = dropout
        self.activation = activation
        self.finish(keras.losses.MeanSquaredError())
