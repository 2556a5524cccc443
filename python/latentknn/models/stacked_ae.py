"""A dense autoencoder with SELU, trained by plain stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoder import Autoencoder
from latentknn.models.backend import keras
from latentknn.models.dense_networks import dense_decoder, dense_encoder
from latentknn.models.images import check_input_shape
from latentknn.models.seeding import seeded_layers


@keras.saving.register_keras_serializable(package="latentknn")
class StackedAutoencoder(Autoencoder):
    """784-100-30 and back, with SELU on hidden layers and code, sigmoid pixels and binary cross-entropy.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers and the code.
    learning_rate : float
        Of stochastic gradient descent. It is large because the loss is a mean over all pixels.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.
    G. Klambauer et al., "Self-Normalizing Neural Networks", 2017 (SELU).
    """

    registry_name = "stacked_ae"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 30,
        hidden_units: Iterable[int] = (100,),
        activation: str = "selu",
        learning_rate: float = 1.5,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        hidden_units = tuple(hidden_units)
        with seeded_layers(seed):
            encoder = dense_encoder(input_shape, hidden_units, latent_dim, activation, activation)
            decoder = dense_decoder(latent_dim, hidden_units[::-1], input_shape, activation, "sigmoid")

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            optimizer=keras.optimizers.SGD(learning_rate),
            loss=keras.losses.BinaryCrossentropy(),
            input_shape=input_shape,
            latent_dim=latent_dim,
            seed=seed,
            **kwargs,
        )

        # Config
        self.hidden_units = hidden_units
        self.activation = activation
        self.learning_rate = learning_rate

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "learning_rate": self.learning_rate,
        }
