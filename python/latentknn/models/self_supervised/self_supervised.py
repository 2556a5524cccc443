"""An encoder that learns from images alone, by pairs of random views."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras, tf
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.images import check_input_shape
from latentknn.models.layers.activations import activation_layer
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.code_whitening import CodeWhitening
from latentknn.models.layers.conv_networks import conv_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.random_views import RandomViews
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.self_supervised.view_losses import contrastive_loss
from latentknn.models.training.one_cycle import OneCycle

# An image of so many of a batch shows what codes are whitened by: enough of them, in little time.
_BATCH_PER_WHITENED = 8


@keras.saving.register_keras_serializable(package="latentknn")
class SelfSupervisedEncoder(ImageEncoder):
    """The encoder of ``conv_ae``, which learns which views are of the same image: SimCLR.

    A training makes two random views of each image, see ``RandomViews``. Their codes go through dense layers,
    which serve the training alone, and the projections of an image's two views are to be more similar to each
    other than to those of all other images. The loss of held-out images is that of views which are the same
    in every epoch.

    The learning rate goes through one cycle. A resumed training must have the same number of epochs, because
    the cycle spans them all.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    filters, strides : iterable of int, equally many
        Filters and strides of the encoder's convolutions.
    activation : str
        Keras activation of the convolutions and of the projection's hidden layers; ``"leaky_relu"`` has slope
        0.3 below zero.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    projection_units : iterable of int
        Width of every dense layer between codes and projections, that of the projections last.
    temperature : float
        By which the loss divides the similarities of projections, above 0.
    crop : float
        Smallest share of the image's area that a view shows, above 0; 1: all of it.
    mirror : bool
        Whether half of the views are mirrored, and a code counts the image and its mirror image. Switch it
        off where left and right matter, as in digits.
    brightness : float
        Largest share by which the pixels of a view are brighter or darker.
    erase : float
        Probability that a rectangle of a view is erased.
    whitening : float
        How far the directions of the codes are evened out, from 0 (not at all) to 1 (all vary alike), by the
        running mean and covariance of codes of training images, unchanged by views; see ``CodeWhitening``.
    learning_rate : float
        Highest rate of the cycle, of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If there are not as many strides as filters, no layers of the projection, or a number is out of its
        range.

    References
    ----------
    T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import SelfSupervisedEncoder
    >>> model = SelfSupervisedEncoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, filters=(4, 8), strides=(1, 2), projection_units=(8, 4)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "self_supervised"
    default_batch_size = 256
    weighs_samples = False

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 128,
        filters: Iterable[int] = (32, 64, 64, 64),
        strides: Iterable[int] = (1, 2, 2, 1),
        activation: str = "leaky_relu",
        kernel_size: int = 3,
        projection_units: Iterable[int] = (256, 128),
        temperature: float = 0.2,
        crop: float = 0.7,
        mirror: bool = True,
        brightness: float = 0.2,
        erase: float = 0.0,
        whitening: float = 1.0,
        learning_rate: float = 2e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters, strides = tuple(filters), tuple(strides)
        projection_units = tuple(projection_units)
        if not projection_units:
            raise ValueError("received no projection_units, expected the width of at least one layer")
        if not temperature > 0:
            raise ValueError(f"received temperature {temperature}, expected a number above 0")
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = conv_encoder(
                input_shape, latent_dim, filters, strides, 0.0, activation, kernel_size=kernel_size
            )
            projection = _projection(latent_dim, projection_units, activation)
            views = RandomViews(
                crop=crop, mirror=mirror, brightness=brightness, erase=erase, seed=seed, dtype="float32"
            )
            views.build((None, *input_shape))
            code_whitening = CodeWhitening(whitening, dtype="float32") if whitening != 0 else None
            if code_whitening is not None:
                code_whitening.build((None, latent_dim))

        # Model
        super().__init__(
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.encoder = encoder
        self.projection = projection
        self.views = views
        self.code_whitening = code_whitening

        # Config
        self.filters = filters
        self.strides = strides
        self.activation = activation
        self.kernel_size = kernel_size
        self.projection_units = projection_units
        self.temperature = temperature
        self.crop = crop
        self.mirror = mirror
        self.brightness = brightness
        self.erase = erase
        self.whitening = whitening
        self.finish()

    def schedule(self, total_steps: int | None) -> list[Any]:
        """Return the callback that sets the learning rate."""
        return [OneCycle(self.learning_rate, total_steps)]

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return ``codes`` of images that are scaled or not; if training, ``projections`` (2N, d) instead.

        The projections are of one view of each image, then of another of each.
        """
        images = scale_pixels(images)
        if training:
            if self.code_whitening is not None:
                # Codes of some of the images as they are have the mean and covariance of what is whitened.
                few = tf.shape(images)[0] // _BATCH_PER_WHITENED + 1
                self.code_whitening(tf.stop_gradient(self._plain_codes(images[:few])), training=True)
            return {"projections": self._projections(images, training)}
        return {"codes": self.encode_scaled(images)}

    def encode_scaled(self, images: Any) -> Any:
        """Return the encoder's outputs, of both sides if views are mirrored, evened out if asked for."""
        codes = self._plain_codes(images)
        return codes if self.code_whitening is None else self.code_whitening.whiten(codes)

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss of the projections, outside of training of the views that are always the same."""
        projections = y_pred.get("projections")
        if projections is None:
            projections = self._projections(scale_pixels(x), training=False)
        return {"contrastive": contrastive_loss(projections, self.temperature)}

    def _plain_codes(self, images: Any) -> Any:
        """Return the encoder's outputs, the mean of both sides if views are mirrored."""
        sides = [images, images[:, :, ::-1]] if self.mirror else [images]
        outputs = [self.encoder(side, training=False) for side in sides]
        return sum(outputs) / len(outputs)

    def _projections(self, images: Any, training: bool | None) -> Any:
        codes = self.encoder(self.views(images, training=training), training=training)
        return self.projection(codes, training=training)


def _projection(latent_dim: int, units: tuple[int, ...], activation: str) -> Any:
    # It is small, and where all of a hidden layer is 0 slopes would not fit into 16 bits.
    network = keras.Sequential([keras.Input((latent_dim,))], name="projection")
    *hidden, last = units
    for width in hidden:
        network.add(keras.layers.Dense(width, use_bias=False, dtype="float32"))
        network.add(BatchNormalization(dtype="float32"))
        network.add(activation_layer(activation, dtype="float32"))
    network.add(keras.layers.Dense(last, use_bias=False, dtype="float32"))
    return network
