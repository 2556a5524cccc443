"""The two GANs share a generator of images, a critic of images, and how the two are trained in turn."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.in_batches import compute_in_batches
from latentknn.models.generative.adversarial import AdversarialModel
from latentknn.models.generative.prior import sample_prior
from latentknn.models.images import ImageShape, check_input_shape
from latentknn.models.layers.activations import activation_layer
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.dropout import Dropout
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.running_averages import check_averaging, early_momentum
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers

# Leaky ReLU has this slope below zero, as published.
_SLOPE = 0.2


class ImageGAN(AdversarialModel):
    """A generator of images from noise, and a critic whose last features before its score are the codes.

    Every batch trains the critic, and every ``critic_steps``-th the generator. The logged ``loss`` is the
    critic's; neither loss says how good the images are. The generator's is logged for its turns. What
    ``generate`` uses is a second generator, whose weights are running means of those of the trained one: its
    images are steadier, because the trained one goes on moving around.

    Parameters
    ----------
    noise_dim : int
        Length of the generator's input, drawn from the standard normal distribution.
    filters : iterable of int
        Filters of the critic's strided convolutions; the generator mirrors them.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    dropout : float
        Share of the values that dropout sets to zero in the critic.
    activation : str
        Keras activation of the code, and of all layers but the last of either network.
    critic_steps : int
        Batches of the critic for one of the generator.
    averaging : float
        Momentum of the running means, from 0 (the weights themselves) to below 1; lower in the beginning.
    input_shape, latent_dim, learning_rate, seed, **kwargs
        See ``ImageEncoder``.
    """

    loss_part_names = ("critic_loss", "generator_loss")

    def __init__(
        self,
        *,
        noise_dim: int,
        filters: Iterable[int],
        kernel_size: int,
        dropout: float,
        activation: str,
        critic_steps: int,
        averaging: float,
        input_shape: Iterable[int],
        latent_dim: int,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters = tuple(filters)
        if not filters or critic_steps < 1:
            raise ValueError(
                f"received filters {filters} and critic_steps {critic_steps}, expected at least one of each"
            )
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            generator = _generator(input_shape, noise_dim, filters, kernel_size, activation, "generator")
            encoder = _encoder(input_shape, latent_dim, filters, kernel_size, activation, dropout)
            head = keras.layers.Dense(1, dtype="float32")
            head.build((None, latent_dim))
            averaged = _generator(
                input_shape, noise_dim, filters, kernel_size, activation, "averaged_generator"
            )
        averaged.set_weights(generator.get_weights())
        averaged.trainable = False

        # Model
        super().__init__(
            input_shape=input_shape, latent_dim=latent_dim, learning_rate=learning_rate, seed=seed, **kwargs
        )
        self.generator = generator
        self.averaged_generator = averaged
        self.encoder = encoder
        self.head = head
        self._noise = keras.random.SeedGenerator(seed)
        self._generate_batch = tf.function(
            lambda noise: (self.averaged_generator(noise, training=False) + 1) / 2,
            input_signature=[tf.TensorSpec((None, noise_dim), tf.float32)],
        )

        # Config
        self.noise_dim = noise_dim
        self.filters = filters
        self.kernel_size = kernel_size
        self.activation = activation
        self.critic_steps = critic_steps
        self.averaging = check_averaging(averaging)
        self.finish()

    @property
    def critic_variables(self) -> list[Any]:
        """The variables of the critic."""
        return [*self.encoder.trainable_variables, *self.head.trainable_variables]

    @property
    def judged_variables(self) -> list[Any]:
        """The variables of the generator."""
        return list(self.generator.trainable_variables)

    def make_optimizer(self) -> Any:
        """Return Adam with little momentum, since the two sides keep changing each other's loss."""
        return keras.optimizers.Adam(self.learning_rate, beta_1=0.5)

    def critic_loss(self, real: Any, generated: Any, training: bool) -> Any:
        """Return what the critic minimises, for images from -1 to 1."""
        raise NotImplementedError(f"{type(self).__name__} must implement critic_loss")

    def generator_loss(self, scores: Any) -> Any:
        """Return what the generator minimises, for the critic's scores of its images."""
        raise NotImplementedError(f"{type(self).__name__} must implement generator_loss")

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return the critic's scores, (N, 1), of images that are scaled or not."""
        return self.score(2 * scale_pixels(images) - 1, training)

    def score(self, images: Any, training: bool | None) -> Any:
        """Return the critic's scores, (N, 1), of images from -1 to 1."""
        return self.head(self.encoder(images, training=training))

    def serve(self, images: Any) -> dict[str, Any]:
        """Return the ``codes`` and the critic's ``scores``, for an exported model."""
        codes = self.encode_scaled(scale_pixels(images))
        return {"codes": codes, "scores": self.head(codes)}

    def encode_scaled(self, images: Any) -> Any:
        """Return the critic's features."""
        return self.encoder(2 * images - 1, training=False)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train the critic, and the generator if it is its turn."""
        images = self.images_of(data)
        real = 2 * scale_pixels(images) - 1
        step = self.critic_optimizer.iterations + 1
        critic_loss = self._train_critic(real)
        # In float16 the optimizer leaves out a step with infinite gradients; the generator then has no turn.
        taken = keras.ops.equal(self.critic_optimizer.iterations, step)
        turn = taken & (step % self.critic_steps == 0)
        tf.cond(turn, lambda: self._train_generator(real), lambda: tf.constant(0.0))
        return self.note(images, loss=critic_loss, critic_loss=critic_loss)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute the losses."""
        images = self.images_of(data)
        real = 2 * scale_pixels(images) - 1
        generated = self.generator(self._draw(real), training=False)
        critic_loss = self.critic_loss(real, generated, training=False)
        generator_loss = self.generator_loss(self.score(generated, training=False))
        return self.note(images, loss=critic_loss, critic_loss=critic_loss, generator_loss=generator_loss)

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Turn noise into images.

        Parameters
        ----------
        n : int
            Number of images.
        seed : int
            Seed of the noise.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)
            Images from 0 to 1.
        """
        return compute_in_batches(self._generate_batch, sample_prior(n, self.noise_dim, seed), 256)

    def _train_critic(self, real: Any) -> Any:
        generated = self.generator(self._draw(real), training=True)
        return self.minimise(
            self.critic_optimizer,
            self.critic_variables,
            lambda: self.critic_loss(real, generated, training=True),
        )

    def _train_generator(self, real: Any) -> Any:
        def deceive() -> Any:
            generated = self.generator(self._draw(real), training=True)
            return self.generator_loss(self.score(generated, training=True))

        loss = self.minimise(self.optimizer, self.judged_variables, deceive)
        momentum = early_momentum(self.averaging, self.optimizer.iterations)
        for mean, weight in zip(self.averaged_generator.weights, self.generator.weights, strict=True):
            mean.assign(momentum * mean + (1 - momentum) * weight)
        # The loss is noted here, so that its mean is over the turns of the generator.
        self.note_part("generator_loss", loss, real)
        return loss

    def _draw(self, real: Any) -> Any:
        return keras.random.normal((keras.ops.shape(real)[0], self.noise_dim), seed=self._noise)


def _encoder(
    input_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    kernel_size: int,
    activation: str,
    dropout: float,
) -> Any:
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    for channels in filters:
        network.add(keras.layers.Conv2D(channels, kernel_size, 2, padding="same"))
        network.add(activation_layer(activation, _SLOPE))
        if dropout != 0:
            network.add(Dropout(dropout))
    network.add(keras.layers.Flatten())
    network.add(keras.layers.Dense(latent_dim, dtype="float32"))
    network.add(activation_layer(activation, _SLOPE, dtype="float32"))
    return network


def _generator(
    output_shape: ImageShape,
    noise_dim: int,
    filters: tuple[int, ...],
    kernel_size: int,
    activation: str,
    name: str,
) -> Any:
    height, width, output_channels = output_shape
    grid_height, grid_width = (-(-length // 2 ** len(filters)) for length in (height, width))
    network = keras.Sequential([keras.Input((noise_dim,))], name=name)
    network.add(keras.layers.Dense(grid_height * grid_width * filters[-1], use_bias=False))
    network.add(BatchNormalization())
    network.add(activation_layer(activation, _SLOPE))
    network.add(keras.layers.Reshape((grid_height, grid_width, filters[-1])))
    for channels in filters[-2::-1]:
        network.add(keras.layers.Conv2DTranspose(channels, kernel_size, 2, padding="same", use_bias=False))
        network.add(BatchNormalization())
        network.add(activation_layer(activation, _SLOPE))
    network.add(
        keras.layers.Conv2DTranspose(
            output_channels, kernel_size, 2, padding="same", activation="tanh", dtype="float32"
        )
    )
    # The grid was rounded up, so that the output may be larger than the images.
    _, found_height, found_width, _ = network.output_shape
    network.add(
        keras.layers.Cropping2D(((0, found_height - height), (0, found_width - width)), dtype="float32")
    )
    return network
