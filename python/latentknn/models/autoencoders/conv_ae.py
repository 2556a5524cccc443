"""A convolutional autoencoder."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.images import check_input_shape
from latentknn.models.layers.augmentation import RandomAugmentation
from latentknn.models.layers.code_whitening import CodeWhitening
from latentknn.models.layers.conv_networks import conv_decoder, conv_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.training.one_cycle import OneCycle


@keras.saving.register_keras_serializable(package="latentknn")
class ConvAutoencoder(Autoencoder):
    """Strided convolutions to a dense code, mirrored by transposed convolutions, and squared error.

    Every convolution but the last is followed by leaky ReLU, batch normalisation and dropout; the last one
    gives pixels by a sigmoid. Images may be moved and mirrored before they are encoded, never those that are
    compared with what was decoded: codes then say little of where an image's parts are.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    filters, strides : iterable of int, equally many
        Filters and strides of the encoder's convolutions; the decoder mirrors them.
    dropout : float
        Share of the values that dropout sets to zero, from 0 (no dropout) to below 1.
    activation : str
        Keras activation of the convolutions but for the pixels; ``"leaky_relu"`` has slope 0.3 below zero.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    batch_normalization : bool
        Whether the convolutions are followed by batch normalisation.
    shift : int
        Most pixels by which training images are moved in each direction before they are encoded.
    mirror : bool
        Whether half of the training images are mirrored before they are encoded.
    whitening : float
        How far the directions of the codes are evened out, from 0 (not at all) to 1 (all vary alike), by the
        running mean and covariance of the training's codes, best without dropout; see ``CodeWhitening``.
    one_cycle : bool
        Whether the learning rate rises and falls once in the training, ``learning_rate`` being its peak. A
        resumed training must then have the same number of epochs.
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If there are not as many strides as filters, or ``whitening`` is not from 0 to 1.

    References
    ----------
    D. Foster, "Generative Deep Learning", chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import ConvAutoencoder
    >>> model = ConvAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, filters=(4, 4), strides=(1, 2)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "conv_ae"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 128,
        filters: Iterable[int] = (32, 64, 64, 64),
        strides: Iterable[int] = (1, 2, 2, 1),
        dropout: float = 0.25,
        activation: str = "leaky_relu",
        kernel_size: int = 3,
        batch_normalization: bool = True,
        shift: int = 0,
        mirror: bool = False,
        whitening: float = 0.0,
        one_cycle: bool = False,
        learning_rate: float = 5e-4,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters, strides = tuple(filters), tuple(strides)
        kind: dict[str, Any] = {
            "kernel_size": kernel_size,
            "batch_normalization": batch_normalization,
        }
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = conv_encoder(input_shape, latent_dim, filters, strides, dropout, activation, **kind)
            decoder = conv_decoder(input_shape, latent_dim, filters, strides, dropout, activation, **kind)
            augmentation = RandomAugmentation(
                shift=shift, mirror=mirror, erase=0.0, seed=seed, dtype="float32"
            )
            augmentation.build((None, *input_shape))
            code_whitening = CodeWhitening(whitening, dtype="float32") if whitening != 0 else None
            if code_whitening is not None:
                code_whitening.build((None, latent_dim))

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
        self.augmentation = augmentation
        self.code_whitening = code_whitening

        # Config
        self.filters = filters
        self.strides = strides
        self.dropout = dropout
        self.activation = activation
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.shift = shift
        self.mirror = mirror
        self.whitening = whitening
        self.one_cycle = one_cycle
        self.finish(keras.losses.MeanSquaredError())

    def schedule(self, total_steps: int | None) -> list[Any]:
        """Return the callback that sets the learning rate, if it is to vary."""
        return [OneCycle(self.learning_rate, total_steps)] if self.one_cycle else []

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return the encoder's ``codes`` and the decoder's ``outputs`` for images, changed if training."""
        codes = self.encoder(self.augmentation(scale_pixels(images), training=training), training=training)
        if self.code_whitening is not None:
            codes = self.code_whitening(codes, training=training)
        return {"codes": codes, "outputs": self.decoder(codes, training=training)}

    def encode_scaled(self, images: Any) -> Any:
        """Return the encoder's outputs, evened out if that is asked for."""
        codes = super().encode_scaled(images)
        return codes if self.code_whitening is None else self.code_whitening.whiten(codes)

    def decode_tensor(self, codes: Any) -> Any:
        """Turn a tensor of codes, evened out if that is asked for, into a tensor of images."""
        return super().decode_tensor(
            codes if self.code_whitening is None else self.code_whitening.restore(codes)
        )
