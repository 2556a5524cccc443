"""An autoencoder whose codes are made of entries of a codebook."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.base.in_batches import compute_in_batches
from latentknn.models.generative.grid_prior import grid_prior, sample_grids
from latentknn.models.images import ImageShape, check_input_shape, prepare_images
from latentknn.models.layers.batch_normalization import BatchNormalization
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.layers.vector_quantizer import VectorQuantizer


@keras.saving.register_keras_serializable(package="latentknn")
class VectorQuantizedAutoencoder(Autoencoder):
    """Strided convolutions to a grid of vectors, each replaced by the nearest of a codebook, and back.

    A code is the flattened grid of codebook entries: 7x7x32 for images of 28x28. The loss is the squared
    error divided by the variance of the batch's pixels, plus the commitment, plus, where the codebook is not
    a running mean, the loss of the codebook. The perplexity, that is how many entries are in use, is logged.

    A prior, from which images are generated, learns the grids at the same time: masked convolutions foretell
    each cell from those before it, and their cross-entropy, in nats a cell, is one more part of the loss. It
    changes nothing of the autoencoder.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    embedding_dim : int
        Length of a codebook entry.
    codebook_size : int
        Number of entries.
    filters : iterable of int
        Filters of the encoder's convolutions, each of which halves height and width; the decoder mirrors
        them.
    activation : str
        Keras activation of these convolutions.
    kernel_size : int
        Width and height of the kernels of all convolutions but the one that makes the vectors.
    batch_normalization : bool
        Whether those convolutions, but the one that makes the pixels, are followed by batch normalisation.
    commitment : float
        Factor of the squared distance of the vectors to their entries.
    averaging : float
        Momentum with which entries follow the vectors that choose them, from 0 (entries learn by the
        straight-through loss instead) to below 1; 0.99 is usual. Entries that nothing chooses begin anew as
        vectors of the batch.
    clustered : bool
        Whether entries that hardly any vector chooses move towards vectors of the batch; for entries that
        learn by the straight-through loss. See ``VectorQuantizer``.
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If kernels are empty, `averaging` is out of its range, or `clustered` comes with it.

    References
    ----------
    A. van den Oord et al., "Neural Discrete Representation Learning", 2017.
    C. Zheng, A. Vedaldi, "Online Clustered Codebook", 2023 (arXiv 2307.15139).

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import VectorQuantizedAutoencoder
    >>> model = VectorQuantizedAutoencoder(
    ...     input_shape=(8, 8, 1), embedding_dim=3, codebook_size=32, filters=(8,)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 48)
    """

    registry_name = "vqvae"
    weighs_samples = False
    default_batch_size = 128

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        embedding_dim: int = 32,
        codebook_size: int = 128,
        filters: Iterable[int] = (32, 64),
        activation: str = "relu",
        kernel_size: int = 3,
        batch_normalization: bool = False,
        commitment: float = 0.25,
        averaging: float = 0.0,
        clustered: bool = False,
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters = tuple(filters)
        kind = (kernel_size, batch_normalization)
        if kernel_size < 1:
            raise ValueError(f"received kernel_size {kernel_size}, expected at least 1")
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = _encoder(input_shape, filters, embedding_dim, activation, *kind)
            quantizer = VectorQuantizer(codebook_size, averaging, clustered, dtype="float32")
            quantizer.build(encoder.output_shape)
            decoder = _decoder(input_shape, filters, encoder.output_shape[1:], activation, *kind)
            _, height, width, _ = encoder.output_shape
            prior = grid_prior(height, width, codebook_size)

        # Model
        super().__init__(
            encoder=encoder,
            decoder=decoder,
            input_shape=input_shape,
            latent_dim=math.prod(encoder.output_shape[1:]),
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.quantizer = quantizer
        self.prior = prior
        self._perplexity = keras.metrics.Mean(name="perplexity")
        self._index_batch = tf.function(
            lambda images: self._quantise(images, training=False)["indices"],
            input_signature=[tf.TensorSpec((None, *self.input_shape), tf.float32)],
        )

        # Config
        self.embedding_dim = embedding_dim
        self.codebook_size = codebook_size
        self.filters = filters
        self.activation = activation
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.commitment = commitment
        self.averaging = averaging
        self.clustered = clustered
        self.finish(keras.losses.MeanSquaredError())

    @property
    def loss_part_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The parts of the loss; a codebook of running means has none of its own."""
        return ("reconstruction", "commitment", "prior", *(() if self.averaging > 0 else ("codebook",)))

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return what the quantizer returns, the ``vectors`` that it was given, and the ``outputs``."""
        quantised = self._quantise(scale_pixels(images), training)
        outputs = self.decoder(_flatten(quantised["quantised"]), training=training)
        return {**quantised, "outputs": outputs}

    def encode_scaled(self, images: Any) -> Any:
        """Return the flattened codebook entries."""
        return _flatten(self._quantise(images, training=False)["entries"])

    def indices(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.int64]:
        """Return which codebook entries make up the code of every image.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.

        Returns
        -------
        ndarray of int64, shape (N, h, w)
            Numbers of entries, from 0 to ``codebook_size - 1``.
        """
        images = prepare_images(x, self.input_shape)
        found = compute_in_batches(lambda batch: self._index_batch(scale_pixels(batch)), images, batch_size)
        return found.astype(np.int64)

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Decode grids drawn from the prior.

        Parameters
        ----------
        n : int
            Number of images.
        seed : int
            Seed of the grids.

        Returns
        -------
        ndarray of float32, shape (n, H, W, C)
            Images from 0 to 1.
        """
        return self.decode(self.codebook[sample_grids(self.prior, n, seed)].reshape(n, self.latent_dim))

    @property
    def codebook(self) -> NDArray[np.float32]:
        """The codebook, (codebook_size, embedding_dim)."""
        return np.asarray(self.quantizer.codebook.numpy())

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the relative squared error, the weighted commitment, and what prior and codebook lose."""
        self._perplexity.update_state(y_pred["perplexity"])
        vectors, entries = y_pred["vectors"], y_pred["entries"]
        error = super().loss_parts(x, y, y_pred, sample_weight)["reconstruction"]
        variance = keras.ops.maximum(keras.ops.var(scale_pixels(x)), 1e-6)
        commitment = _mean_square(vectors - keras.ops.stop_gradient(entries))
        surprise = keras.losses.sparse_categorical_crossentropy(
            y_pred["indices"], self.prior(y_pred["indices"]), from_logits=True
        )
        parts = {
            "reconstruction": error / variance,
            "commitment": self.commitment * commitment,
            "prior": keras.ops.mean(surprise),
        }
        if self.averaging == 0:
            parts["codebook"] = _mean_square(entries - keras.ops.stop_gradient(vectors))
        return parts

    def _quantise(self, images: Any, training: bool | None) -> dict[str, Any]:
        vectors = self.encoder(images, training=training)
        return {"vectors": vectors, **self.quantizer(vectors, training=training)}


def _encoder(
    input_shape: ImageShape,
    filters: tuple[int, ...],
    embedding_dim: int,
    activation: str,
    kernel_size: int,
    batch_normalization: bool,
) -> Any:
    network = keras.Sequential([keras.Input(input_shape)], name="encoder")
    for channels in filters:
        network.add(keras.layers.Conv2D(channels, kernel_size, 2, padding="same", activation=activation))
        if batch_normalization:
            network.add(BatchNormalization())
    network.add(keras.layers.Conv2D(embedding_dim, 1, dtype="float32"))
    return network


def _decoder(
    output_shape: ImageShape,
    filters: tuple[int, ...],
    grid: tuple[int, ...],
    activation: str,
    kernel_size: int,
    batch_normalization: bool,
) -> Any:
    network = keras.Sequential([keras.Input((math.prod(grid),))], name="decoder")
    network.add(keras.layers.Reshape(grid))
    for channels in filters[::-1]:
        network.add(
            keras.layers.Conv2DTranspose(channels, kernel_size, 2, padding="same", activation=activation)
        )
        if batch_normalization:
            network.add(BatchNormalization())
    height, width, output_channels = output_shape
    network.add(
        keras.layers.Conv2DTranspose(
            output_channels, kernel_size, padding="same", activation="sigmoid", dtype="float32"
        )
    )
    # A padded convolution rounds up, so that the output of the decoder may be larger than the images.
    _, found_height, found_width, _ = network.output_shape
    network.add(
        keras.layers.Cropping2D(((0, found_height - height), (0, found_width - width)), dtype="float32")
    )
    return network


def _flatten(grids: Any) -> Any:
    return keras.ops.reshape(grids, (-1, math.prod(grids.shape[1:])))


def _mean_square(differences: Any) -> Any:
    return keras.ops.mean(keras.ops.square(differences))
