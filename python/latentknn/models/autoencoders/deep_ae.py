"""A deep dense autoencoder with a linear code and linear pixels."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoders.dense_autoencoder import DenseAutoencoder
from latentknn.models.backend import keras


@keras.saving.register_keras_serializable(package="latentknn")
class DeepAutoencoder(DenseAutoencoder):
    """784-1000-500-250-100 and back, with ReLU, a linear code, linear pixels and squared error.

    ``decode`` and ``reconstruct`` clip the pixels to the range from 0 to 1.

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

    registry_name = "deep_ae"
    default_batch_size = 128

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 100,
        hidden_units: Iterable[int] = (1000, 500, 250),
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
            loss=keras.losses.MeanSquaredError(),
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

    def to_images(self, outputs: Any) -> Any:
        """Clip the outputs, which are not bounded, to pixels."""
        return keras.ops.clip(outputs, 0.0, 1.0)
