"""A dense autoencoder with ReLU whose loss is computed on logits."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoder import Autoencoder
from latentknn.models.backend import keras
from latentknn.models.dense_networks import dense_decoder, dense_encoder
from latentknn.models.images import check_input_shape
from latentknn.models.seeding import seeded_layers


@keras.saving.register_keras_serializable(package="latentknn")
class SimpleAutoencoder(Autoencoder):
    """784-256-128-20 and back, with ReLU, a linear code, and binary cross-entropy on logits.

    Calling the model, as its loss does, gives logits; ``decode`` and ``reconstruct`` give images.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers.
    learning_rate : float
        Of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    G. E. Hinton, R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.
    """

    registry_name = "simple_ae"
    default_batch_size = 512

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 20,
        hidden_units: Iterable[int] = (256, 128),
        activation: str = "relu",
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        hidden_units = tuple(hidden_units)
        with seeded_layers(seed):
            encoder = dense_encoder(input_shape, hidden_units, latent_dim, activation)
            decoder = dense_decoder(latent_dim, hidden_units[::-1], input_shape, activation)

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            input_shape=input_shape,
            latent_dim=latent_dim,
            seed=seed,
            **kwargs,
        )

        # Config
        self.hidden_units = hidden_units
        self.activation = activation
        self.learning_rate = learning_rate

    def to_images(self, outputs: Any) -> Any:
        """Turn logits into pixels."""
        return keras.ops.sigmoid(outputs)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "learning_rate": self.learning_rate,
        }
