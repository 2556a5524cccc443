"""A Wasserstein generative adversarial network with gradient penalty."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras, tf
from latentknn.models.generative.image_gan import ImageGAN


@keras.saving.register_keras_serializable(package="latentknn")
class WassersteinGAN(ImageGAN):
    """A generator of images from noise, and a critic whose scores estimate the Wasserstein distance.

    The critic has no sigmoid: it maximises the mean score of real images less that of generated ones, and a
    penalty keeps the length of its gradient, at images between the two, near 1. The codes are the features
    before its last layer.

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
    activation : str
        Keras activation of all layers, the code's too, but of the pixels and the score; ``"leaky_relu"`` has
        slope 0.2 below zero.
    penalty_weight : float
        Factor of the gradient penalty.
    critic_steps : int
        Batches of the critic for one of the generator.
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
    M. Arjovsky, S. Chintala, L. Bottou, "Wasserstein Generative Adversarial Networks", 2017.
    I. Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import WassersteinGAN
    >>> model = WassersteinGAN(
    ...     input_shape=(8, 8, 1), latent_dim=6, noise_dim=5, filters=(4, 8), kernel_size=3
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "wgan_gp"
    default_batch_size = 64

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 128,
        noise_dim: int = 100,
        filters: Iterable[int] = (64, 128),
        kernel_size: int = 5,
        activation: str = "leaky_relu",
        penalty_weight: float = 10.0,
        critic_steps: int = 5,
        averaging: float = 0.99,
        learning_rate: float = 1e-4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            noise_dim=noise_dim,
            filters=filters,
            kernel_size=kernel_size,
            dropout=0.0,
            activation=activation,
            critic_steps=critic_steps,
            averaging=averaging,
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.penalty_weight = penalty_weight

    def make_optimizer(self) -> Any:
        """Return Adam without momentum."""
        return keras.optimizers.Adam(self.learning_rate, beta_1=0.0, beta_2=0.9)

    def critic_loss(self, real: Any, generated: Any, training: bool) -> Any:
        """Return the negative estimate of the distance, plus the penalty."""
        distance = keras.ops.mean(self.score(real, training)) - keras.ops.mean(
            self.score(generated, training)
        )
        return self.penalty_weight * self.gradient_penalty(real, generated, training) - distance

    def generator_loss(self, scores: Any) -> Any:
        """Return the negative mean score."""
        return -keras.ops.mean(scores)

    def gradient_penalty(self, real: Any, generated: Any, training: bool) -> Any:
        """Return the mean squared difference between 1 and the gradient's length, at points in between."""
        count = keras.ops.shape(real)[0]
        share = keras.random.uniform((count, 1, 1, 1), seed=self._noise)
        between = share * real + (1 - share) * generated
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.score(between, training)
        gradients = keras.ops.reshape(tape.gradient(scores, between), (count, -1))
        # The small number keeps the derivative of the root finite.
        lengths = keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradients), axis=1) + 1e-12)
        return keras.ops.mean(keras.ops.square(lengths - 1))
