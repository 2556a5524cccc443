"""An encoder trained by triplets: anchor, positive and negative."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import check_input_shape
from latentknn.models.layers.augmentation import RandomAugmentation
from latentknn.models.layers.conv_networks import conv_encoder
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.supervised.metric_losses import batch_all_loss, batch_hard_loss
from latentknn.models.supervised.supervised_encoder import SupervisedEncoder
from latentknn.models.training.one_cycle import OneCycle

_MINING = {"batch_hard": batch_hard_loss, "batch_all": batch_all_loss}


@keras.saving.register_keras_serializable(package="latentknn")
class TripletEncoder(SupervisedEncoder):
    """The encoder of ``conv_ae``, trained so that codes of one class are nearer than those of any other.

    The loss is over triplets that are mined within each batch, by cosine distance, which goes from 0 to 2,
    plus the cross-entropy of a dense head that classifies the codes.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    num_classes : int
        Number of classes.
    latent_dim : int
        Length of a code.
    filters, strides : iterable of int, equally many
        Filters and strides of the encoder's convolutions.
    dropout : float
        Share of the values that dropout sets to zero, from 0 (no dropout) to below 1.
    activation : str
        Keras activation of the convolutions; ``"leaky_relu"`` has slope 0.3 below zero.
    kernel_size : int
        Width and height of the kernels of all convolutions.
    batch_normalization : bool
        Whether the convolutions are followed by batch normalisation.
    mining : {"batch_hard", "batch_all"}
        Whether each anchor counts with its farthest positive and nearest negative, or with every pair.
    margin : float or None
        Margin by which the negative should be farther than the positive; None: the soft margin.
    classification_weight : float
        Factor of the cross-entropy; 0: triplets alone.
    shift : int
        Most pixels by which training images are moved in each direction.
    mirror : bool
        Whether training images are mirrored at random, and a code has the mean direction of the image's and
        its mirror image's.
    shifted_views : bool
        Whether a code also counts the image moved by a pixel along a diagonal, both ways: nearer to what
        others of its class have, and three times as long to make.
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
        If the mining is unknown.

    References
    ----------
    F. Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015.
    A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import TripletEncoder
    >>> model = TripletEncoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, filters=(4, 4), strides=(1, 2)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "triplet"
    default_batch_size = 128
    weighs_samples = False
    loss_part_names = ("triplets", "classification")

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
        mining: str = "batch_all",
        margin: float | None = 1.0,
        classification_weight: float = 1.0,
        shift: int = 0,
        mirror: bool = False,
        shifted_views: bool = False,
        one_cycle: bool = False,
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters, strides = tuple(filters), tuple(strides)
        if mining not in _MINING:
            raise ValueError(f"received mining {mining!r}, expected one of {', '.join(_MINING)}")
        kind: dict[str, Any] = {
            "kernel_size": kernel_size,
            "batch_normalization": batch_normalization,
        }
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = conv_encoder(input_shape, latent_dim, filters, strides, dropout, activation, **kind)
            head = keras.layers.Dense(num_classes, dtype="float32")
            head.build((None, latent_dim))
            augmentation = RandomAugmentation(
                shift=shift, mirror=mirror, erase=0.0, seed=seed, dtype="float32"
            )
            augmentation.build((None, *input_shape))

        # Model
        super().__init__(
            encoder=encoder,
            head=head,
            num_classes=num_classes,
            augmentation=augmentation,
            shifted_views=shifted_views,
            input_shape=input_shape,
            latent_dim=latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

        # Config
        self.filters = filters
        self.strides = strides
        self.dropout = dropout
        self.activation = activation
        self.kernel_size = kernel_size
        self.batch_normalization = batch_normalization
        self.mining = mining
        self.margin = margin
        self.classification_weight = classification_weight
        self.shift = shift
        self.mirror = mirror
        self.one_cycle = one_cycle
        self.finish_classifier()

    def schedule(self, total_steps: int | None) -> list[Any]:
        """Return the callback that sets the learning rate, if it is to vary."""
        return [OneCycle(self.learning_rate, total_steps)] if self.one_cycle else []

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss of the triplets and the weighted cross-entropy of the head."""
        parts = super().loss_parts(x, y, y_pred, sample_weight)
        return {
            "triplets": _MINING[self.mining](y_pred["codes"], y, self.margin),
            "classification": self.classification_weight * parts["classification"],
        }
