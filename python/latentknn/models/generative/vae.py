"""Variational autoencoders, dense and convolutional."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.generative.prior import sample_prior
from latentknn.models.images import check_input_shape
from latentknn.models.layers.conv_networks import conv_decoder, conv_encoder
from latentknn.models.layers.dense_networks import dense_decoder, dense_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.layers.weighted_mean import weighted_mean


@keras.saving.register_keras_serializable(package="latentknn")
class VariationalAutoencoder(Autoencoder):
    """An encoder that gives a normal distribution of codes for every image, and a decoder that can generate.

    The loss of a pixel is the binary cross-entropy plus the Kullback-Leibler divergence of the image's codes
    from the standard normal distribution, divided by the number of pixels; ``pixel_loss="sum"`` asks for that
    of an image instead. The code that ``encode`` gives, and that the loss of validation images is computed
    with, is the mean. ``generate`` decodes codes drawn from the standard normal distribution.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    network : {"dense", "conv"}
        Dense layers, or strided convolutions as in ``conv_ae``.
    hidden_units : iterable of int
        Width of every hidden layer of the dense network, from the image to the code; the decoder mirrors
        them.
    activation : str
        Keras activation of the dense network's hidden layers.
    filters, strides : iterable of int, equally many
        Filters and strides of the convolutional encoder; the decoder mirrors it.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    batch_normalization : bool
        Whether the convolutions are followed by batch normalisation.
    pixel_loss : {"mean", "sum"}
        Whether the loss is that of a pixel, or of a whole image: the same but for a factor, to which RMSprop
        is all but blind. With ``"sum"`` the decoder gives logits, whose cross-entropy is exact however sure
        the decoder is.
    divergence_weight : float
        Factor of the divergence; above 1 the codes come closer to the normal distribution and
        the reconstructions get worse.
    learning_rate : float
        Learning rate of RMSprop.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If the network or the pixels' loss is unknown.

    References
    ----------
    D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2014.
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import VariationalAutoencoder
    >>> model = VariationalAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "vae"
    default_batch_size = 128
    loss_part_names = ("reconstruction", "divergence")

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 10,
        network: str = "dense",
        hidden_units: Iterable[int] = (150, 100),
        activation: str = "selu",
        filters: Iterable[int] = (32, 64, 64, 64),
        strides: Iterable[int] = (1, 2, 2, 1),
        kernel_size: int = 3,
        batch_normalization: bool = True,
        pixel_loss: str = "mean",
        divergence_weight: float = 1.0,
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers: the encoder gives means and logarithms of variances side by side.
        input_shape = check_input_shape(input_shape)
        hidden_units, filters, strides = tuple(hidden_units), tuple(filters), tuple(strides)
        if pixel_loss not in ("mean", "sum"):
            raise ValueError(f"received pixel_loss {pixel_loss!r}, expected mean or sum")
        pixels = "sigmoid" if pixel_loss == "mean" else None
        kind: dict[str, Any] = {
            "dropout": 0.0,
            "kernel_size": kernel_size,
            "batch_normalization": batch_normalization,
        }
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            if network == "dense":
                encoder = dense_encoder(input_shape, hidden_units, 2 * latent_dim, activation)
                decoder = dense_decoder(latent_dim, hidden_units[::-1], input_shape, activation, pixels)
            elif network == "conv":
                encoder = conv_encoder(input_shape, 2 * latent_dim, filters, strides, **kind)
                decoder = conv_decoder(
                    input_shape, latent_dim, filters, strides, output_activation=pixels, **kind
                )
            else:
                raise ValueError(f"received network {network!r}, expected dense or conv")

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
        self._noise = keras.random.SeedGenerator(seed)

        # Config
        self.network = network
        self.hidden_units = hidden_units
        self.activation = activation
        self.filters = filters
        self.strides = strides
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.pixel_loss = pixel_loss
        self.divergence_weight = divergence_weight
        self.finish(keras.losses.BinaryCrossentropy(from_logits=pixel_loss == "sum"))

    def make_optimizer(self) -> Any:
        """Return RMSprop."""
        return keras.optimizers.RMSprop(self.learning_rate)

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return ``means`` and ``log_variances`` of the codes, and the ``outputs`` of codes."""
        means, log_variances = self._distributions(scale_pixels(images), training)
        codes = means
        if training:
            noise = keras.random.normal(keras.ops.shape(means), seed=self._noise)
            codes += keras.ops.exp(log_variances / 2) * noise
        outputs = self.decoder(codes, training=training)
        return {"means": means, "log_variances": log_variances, "outputs": outputs}

    def encode_scaled(self, images: Any) -> Any:
        """Return the means."""
        means, _ = self._distributions(images, training=False)
        return means

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the reconstruction's loss and the weighted divergence, both of a pixel or of an image."""
        divergence = normal_divergence(y_pred["means"], y_pred["log_variances"], sample_weight)
        weight = self.divergence_weight / math.prod(self.input_shape)
        parts = {**super().loss_parts(x, y, y_pred, sample_weight), "divergence": weight * divergence}
        if self.pixel_loss == "mean":
            return parts
        return {name: math.prod(self.input_shape) * part for name, part in parts.items()}

    def to_images(self, outputs: Any) -> Any:
        """Return the outputs, which are images already, or the sigmoid of those that are logits."""
        return outputs if self.pixel_loss == "mean" else keras.ops.sigmoid(outputs)

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Decode codes drawn from the standard normal distribution.

        Parameters
        ----------
        n : int
            Number of images.
        seed : int
            Seed of the codes.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)
            Images from 0 to 1.
        """
        return self.decode(sample_prior(n, self.latent_dim, seed))

    def _distributions(self, images: Any, training: bool | None) -> Any:
        return keras.ops.split(self.encoder(images, training=training), 2, axis=-1)


def normal_divergence(means: Any, log_variances: Any, sample_weight: Any = None) -> Any:
    """Return the mean Kullback-Leibler divergence, in nats, from the standard normal distribution.

    Parameters
    ----------
    means, log_variances : tensor of shape (N, d)
        Means and logarithms of variances of N normal distributions with independent coordinates.
    sample_weight : tensor of shape (N,), optional
        Factors of their divergences.
    """
    terms = keras.ops.exp(log_variances) + keras.ops.square(means) - 1 - log_variances
    return weighted_mean(keras.ops.sum(terms, axis=-1), sample_weight) / 2
