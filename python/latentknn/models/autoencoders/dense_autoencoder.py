"""The dense autoencoders share fully connected networks that mirror each other."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.images import check_input_shape
from latentknn.models.layers.dense_networks import dense_decoder, dense_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.seeding import seeded_layers


class DenseAutoencoder(Autoencoder):
    """Fully connected layers from the flattened image to the code, and the same widths back.

    Parameters
    ----------
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers.
    code_activation, output_activation : str or None
        Keras activations of code and pixels; None: linear.
    noise : float
        Standard deviation of the Gaussian noise that is added to the pixels while training.
    dropout : float
        Share of the values of every hidden layer that are set to zero while training.
    input_shape, latent_dim, loss, learning_rate, seed, **kwargs
        See ``Autoencoder``.
    """

    def __init__(
        self,
        *,
        input_shape: Iterable[int],
        latent_dim: int,
        hidden_units: Iterable[int],
        activation: str,
        code_activation: str | None = None,
        output_activation: str | None = None,
        noise: float = 0.0,
        dropout: float = 0.0,
        loss: Any,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        hidden_units = tuple(hidden_units)
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = dense_encoder(
                input_shape,
                hidden_units,
                latent_dim,
                activation,
                code_activation,
                noise=noise,
                dropout=dropout,
            )
            decoder = dense_decoder(
                latent_dim, hidden_units[::-1], input_shape, activation, output_activation, dropout=dropout
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
        self.hidden_units = hidden_units
        self.activation = activation
        self.noise = noise
        self.dropout = dropout
        self.finish(loss)
