"""A dense autoencoder that learns to remove noise."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoders.dense_autoencoder import DenseAutoencoder
from latentknn.models.backend import keras


@keras.saving.register_keras_serializable(package="latentknn")
class DenoisingAutoencoder(DenseAutoencoder):
    """784-100-30 and back, which sees images with Gaussian noise while training and rebuilds the clean ones.

    SELU on hidden layers and code, sigmoid pixels, binary cross-entropy. ``encode`` and ``reconstruct`` add
    no noise.

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
    noise : float
        Standard deviation of the noise, for pixels from 0 to 1.
    learning_rate : float
        Of stochastic gradient descent.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    P. Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008.
    """

    registry_name = "denoising_ae"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 30,
        hidden_units: Iterable[int] = (100,),
        activation: str = "selu",
        noise: float = 0.2,
        learning_rate: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape=input_shape,
            latent_dim=latent_dim,
            hidden_units=hidden_units,
            activation=activation,
            code_activation=activation,
            output_activation="sigmoid",
            noise=noise,
            loss=keras.losses.BinaryCrossentropy(),
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

    def make_optimizer(self) -> Any:
        """Return plain stochastic gradient descent."""
        return keras.optimizers.SGD(self.learning_rate)
