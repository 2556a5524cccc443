"""A deep convolutional generative adversarial network."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.generative.adversarial import classification_loss, deception_loss
from latentknn.models.generative.image_gan import ImageGAN


@keras.saving.register_keras_serializable(package="latentknn")
class GenerativeAdversarialNetwork(ImageGAN):
    """A DCGAN: a generator of images from noise, and a critic that learns to tell them from real ones.

    The codes are the features before the critic's last layer.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code: the width of the critic's layer before the score.
    noise_dim : int
        Length of the generator's input.
    filters : iterable of int
        Filters of the critic's strided convolutions; the generator mirrors them.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    dropout : float
        Share of the values that dropout sets to zero in the critic.
    activation : str
        Keras activation of all layers, the code's too, but of the pixels and the score; ``"leaky_relu"`` has
        slope 0.2 below zero.
    averaging : float
        Momentum of the running means that are the weights of the generator of ``generate``.
    learning_rate : float
        Learning rate of Adam, on both sides.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    I. Goodfellow et al., "Generative Adversarial Nets", 2014.
    A. Radford, L. Metz, S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import GenerativeAdversarialNetwork
    >>> model = GenerativeAdversarialNetwork(
    ...     input_shape=(8, 8, 1), latent_dim=6, noise_dim=5, filters=(4, 8), kernel_size=3
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "gan"
    default_batch_size = 128

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 128,
        noise_dim: int = 100,
        filters: Iterable[int] = (64, 128),
        kernel_size: int = 5,
        dropout: float = 0.3,
        activation: str = "leaky_relu",
        averaging: float = 0.99,
        learning_rate: float = 2e-4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            noise_dim=noise_dim,
            filters=filters,
            kernel_size=kernel_size,
            dropout=dropout,
            activation=activation,
            critic_steps=1,
            averaging=averaging,
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.dropout = dropout

    def critic_loss(self, real: Any, generated: Any, training: bool) -> Any:
        """Return the cross-entropy of telling real images from generated ones."""
        return classification_loss(self.score(real, training), self.score(generated, training))

    def generator_loss(self, scores: Any) -> Any:
        """Return the cross-entropy of generated images being taken for real."""
        return deception_loss(scores)
