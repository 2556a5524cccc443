"""A convolutional autoencoder whose codes depend on the class."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.models.backend import keras, tf
from latentknn.models.base.autoencoder import Autoencoder
from latentknn.models.base.inputs import check_labels, prepare_arrays
from latentknn.models.images import check_input_shape, prepare_images
from latentknn.models.layers.conv_networks import conv_decoder, conv_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.layers.weighted_mean import weighted_mean
from latentknn.models.training.prepared import prepare_dataset
from latentknn.models.training.sequences import as_dataset
from latentknn.progress import ProgressLike


@keras.saving.register_keras_serializable(package="latentknn")
class ConditionalAutoencoder(Autoencoder):
    """``conv_ae`` with a code that is multiplied by a vector of the image's class.

    A database holds the codes of images under their own class, ``encode(x, labels=y)``. A query, whose class
    is not known, is encoded under every class, ``encode_per_class(x)``, and each of its codes is compared
    with the database's codes of that class. ``encode(x)`` without labels gives codes before the
    multiplication.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    num_classes : int
        Number of classes.
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
    class_loss_weight : float
        Factor of the cross-entropy of a layer that reads the class from the multiplied code; 0: no such
        layer. With it every epoch logs ``head_accuracy``, the share of images whose class the layer reads
        from codes that were multiplied by the vector of that very class: not what a query can expect.
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    References
    ----------
    K. Sohn et al., "Learning Structured Output Representation using Deep Conditional Generative Models",
    2015.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import ConditionalAutoencoder
    >>> model = ConditionalAutoencoder(input_shape=(8, 8, 1), latent_dim=6, filters=(4, 4), strides=(1, 2))
    >>> model.encode_per_class(np.zeros((2, 8, 8), np.uint8)).shape
    (10, 2, 6)
    """

    registry_name = "conditional_ae"
    default_batch_size = 32
    uses_labels = True

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        num_classes: int = 10,
        latent_dim: int = 128,
        filters: Iterable[int] = (32, 64, 64, 64),
        strides: Iterable[int] = (1, 2, 2, 1),
        dropout: float = 0.25,
        activation: str = "leaky_relu",
        kernel_size: int = 3,
        batch_normalization: bool = True,
        class_loss_weight: float = 0.0,
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
            embedding = keras.layers.Embedding(num_classes, latent_dim, dtype="float32")
            embedding.build((None,))
            head = keras.layers.Dense(num_classes, dtype="float32")
            head.build((None, latent_dim))

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
        self.embedding = embedding
        if class_loss_weight > 0:
            self.head = head
            self.head_accuracy = keras.metrics.SparseCategoricalAccuracy(name="head_accuracy")

        # Config
        self.num_classes = int(num_classes)
        self.filters = filters
        self.strides = strides
        self.dropout = dropout
        self.activation = activation
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.class_loss_weight = class_loss_weight
        self.finish(keras.losses.MeanSquaredError())

    @property
    def loss_part_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The two losses, if there are two."""
        return ("reconstruction", "classification") if self.class_loss_weight > 0 else ()

    def arrange_batch(self, images: Any, labels: Any = None) -> tuple[Any, ...]:
        """Return a batch as Keras takes it: the labels are among the inputs."""
        return (images, labels), labels

    def prepare_inputs(self, x: Any) -> Any:
        """Check images and labels, a pair or a dataset of pairs, and return them as ``call`` takes them."""
        dataset = as_dataset(x)
        if dataset is not None:
            batches, _ = prepare_dataset(dataset, self.input_shape, self.num_classes)
            return batches.map(lambda images, labels, *_: ((images, labels),))
        if not isinstance(x, tuple | list) or len(x) != 2:
            raise ValueError(
                f"received a {type(x).__name__}; the call of {self.registry_name} takes (images, labels)"
            )
        return prepare_arrays(self, *x)

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Return ``codes`` under the labels and the decoder's ``outputs``; inputs are (images, labels)."""
        images, labels = inputs
        codes = self.encoder(scale_pixels(images), training=training) * self.embedding(labels)
        return {"codes": codes, "outputs": self.decoder(codes, training=training)}

    def serve(self, inputs: Any) -> dict[str, Any]:
        """Return what ``call`` returns, whose codes are those that ``encode`` gives under the labels."""
        return dict(self(inputs, training=False))

    def input_specs(self) -> Any:
        """Return shapes and types of images and labels."""
        return super().input_specs(), tf.TensorSpec((None,), tf.int64, "labels")

    def encode(
        self,
        x: Any,
        batch_size: int = 256,
        labels: ArrayLike | None = None,
        *,
        progress: ProgressLike = False,
    ) -> NDArray[np.float32]:
        """Turn images into codes, under their labels if there are any.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images: integers from 0 to 255, or floats from 0 to 1.
        batch_size : int
            Images that are computed at once.
        labels : array_like of int, shape (N,), optional
            Class of every image; without them the codes are those before the multiplication.
        progress : bool or callable
            Whom to tell of the encoded images, as of ``ImageEncoder.encode``.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            The codes.

        Raises
        ------
        TypeError, ValueError
            As ``ImageEncoder.encode``, or if labels are wrong.
        """
        codes = super().encode(x, batch_size, progress=progress)
        if labels is None:
            return codes
        return np.asarray(codes * self._class_vectors()[check_labels(self, labels, len(codes))])

    def encode_labelled(
        self, x: ArrayLike, labels: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Turn images into codes under their classes: ``encode`` with labels."""
        return self.encode(x, batch_size, labels, progress=progress)

    def check_labelled(self, x: ArrayLike, labels: ArrayLike) -> None:
        """Raise what ``encode_labelled`` would raise for these images and labels, without encoding them."""
        prepare_arrays(self, x, labels)

    def encode_queries(
        self, x: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Turn images into codes under every class: ``encode_per_class``."""
        return self.encode_per_class(x, batch_size, progress=progress)

    def encode_per_class(
        self, x: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Turn images into codes under every class.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.
        progress : bool or callable
            Whom to tell of the encoded images, as of ``ImageEncoder.encode``.

        Returns
        -------
        ndarray of float32, shape (num_classes, N, latent_dim)
            The codes, which are ``encode(x, labels=...)`` to the bit.
        """
        codes = super().encode(x, batch_size, progress=progress)
        return np.asarray(codes * self._class_vectors()[:, np.newaxis])

    def reconstruct(
        self, x: ArrayLike, batch_size: int = 256, labels: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """Encode images and decode their codes.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.
        labels : array_like of int, shape (N,), optional
            Class of every image; without them an image gets the class under which it is rebuilt best.

        Returns
        -------
        ndarray of float32, shape (N, H, W, C)
            Images from 0 to 1.
        """
        if labels is not None:
            return self.decode(self.encode(x, batch_size, labels), batch_size)
        images = np.asarray(scale_pixels(keras.ops.convert_to_tensor(prepare_images(x, self.input_shape))))
        best, lowest = np.zeros_like(images), np.full(len(images), np.inf, np.float32)
        for codes in self.encode_per_class(x, batch_size):
            decoded = self.decode(codes, batch_size)
            errors = np.square(decoded - images).mean(axis=(1, 2, 3))
            better = errors < lowest
            best[better], lowest[better] = decoded[better], errors[better]
        return best

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss of the reconstruction and the weighted cross-entropy."""
        images, _ = x
        parts = super().loss_parts(images, y, y_pred, sample_weight)
        if self.class_loss_weight > 0:
            logits = self.head(y_pred["codes"])
            losses = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
            self.head_accuracy.update_state(y, logits)
            parts["classification"] = self.class_loss_weight * weighted_mean(losses, sample_weight)
        return parts

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Give the metrics of ``compile`` the scaled images to compare with."""
        images, _ = x
        return super().compute_metrics(images, y, y_pred, sample_weight)

    def _class_vectors(self) -> NDArray[np.float32]:
        return np.asarray(self.embedding.embeddings.numpy())
