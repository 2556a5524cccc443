"""A dense autoencoder with ReLU whose loss is computed on logits."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoders.dense_autoencoder import DenseAutoencoder
from latentknn.models.backend import keras


@keras.saving.register_keras_serializable(package="latentknn")
class SimpleAutoencoder(DenseAutoencoder):
    """784-256-128-20 and back, with ReLU, a linear code, and binary cross-entropy on logits.

    The decoder's outputs, as the loss sees them, are logits; ``decode`` and ``reconstruct`` give images.

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
        super().__init__(
            input_shape=input_shape,
            latent_dim=latent_dim,
            hidden_units=hidden_units,
            activation=activation,
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

    def to_images(self, outputs: Any) -> Any:
        """Turn logits into pixels."""
        return keras.ops.sigmoid(outputs)
