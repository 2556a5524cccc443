"""The strongest encoder that two processor cores train within an hour."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import check_input_shape
from latentknn.models.layers.augmentation import RandomAugmentation
from latentknn.models.layers.cosine_head import CosineHead
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.residual_network import residual_encoder
from latentknn.models.layers.running_averages import check_averaging
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.supervised.metric_losses import batch_hard_loss, supervised_contrastive_loss
from latentknn.models.supervised.supervised_encoder import SupervisedEncoder
from latentknn.models.training.averaged_sgd import AveragedSGD
from latentknn.models.training.one_cycle import OneCycle

_CODE_LOSSES = ("none", "contrastive", "batch_hard")


@keras.saving.register_keras_serializable(package="latentknn")
class MetricEncoder(SupervisedEncoder):
    """A small residual network whose head classifies by cosine similarity, trained with augmentation.

    The learning rate goes through one cycle, and when ``fit`` ends the weights become the running average
    over the last batches. A resumed training must have the same number of epochs, because the cycle spans
    them all.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    num_classes : int
        Number of classes.
    latent_dim : int
        Length of a code.
    filters : iterable of int
        Filters of the first convolution, then of each stage, which halves height and width.
    blocks : int
        Residual blocks of a stage.
    activation : str
        Keras activation of the convolutions.
    scale : float
        Factor of the cosine similarities in the head.
    label_smoothing : float
        Share of the probability that the loss asks to spread over all classes.
    code_loss : {"none", "contrastive", "batch_hard"}
        A second loss, on the codes themselves.
    code_loss_weight : float
        Factor of the second loss.
    temperature : float
        Temperature of ``"contrastive"``.
    margin : float or None
        Margin of ``"batch_hard"``; None: the soft margin.
    shift : int
        Most pixels by which training images are moved in each direction.
    mirror : bool
        Whether training images are mirrored at random, and a code has the mean direction of the image's and
        its mirror image's. Switch it off where left and right matter, as in digits.
    shifted_views : bool
        Whether a code also counts the image moved by a pixel along a diagonal, both ways: nearer to what
        others of its class have, and three times as long to make.
    erase : float
        Probability that a rectangle of a training image is erased.
    weight_decay : float
        Share of the weights, times the learning rate, that every step takes away.
    averaging : float
        Momentum of the running average of the weights, from 0 (no average) to below 1; lower in the first
        steps, which are soon forgotten.
    learning_rate : float
        Highest rate of the cycle, of stochastic gradient descent with Nesterov's momentum 0.9.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If the second loss is unknown.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2016.
    F. Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017.
    P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import MetricEncoder
    >>> model = MetricEncoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, filters=(4, 8)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "metric"
    default_batch_size = 128

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        num_classes: int = 10,
        latent_dim: int = 64,
        filters: Iterable[int] = (32, 64, 128),
        blocks: int = 1,
        activation: str = "relu",
        scale: float = 16.0,
        label_smoothing: float = 0.1,
        code_loss: str = "none",
        code_loss_weight: float = 0.5,
        temperature: float = 0.1,
        margin: float | None = 0.5,
        shift: int = 2,
        mirror: bool = True,
        shifted_views: bool = False,
        erase: float = 0.5,
        weight_decay: float = 5e-3,
        averaging: float = 0.98,
        learning_rate: float = 0.1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        filters = tuple(filters)
        if code_loss not in _CODE_LOSSES:
            raise ValueError(f"received code_loss {code_loss!r}, expected one of {', '.join(_CODE_LOSSES)}")
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            encoder = residual_encoder(input_shape, latent_dim, filters, blocks, activation)
            head = CosineHead(num_classes, scale, dtype="float32")
            head.build((None, latent_dim))
            augmentation = RandomAugmentation(
                shift=shift, mirror=mirror, erase=erase, seed=seed, dtype="float32"
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
        self.blocks = blocks
        self.activation = activation
        self.scale = scale
        self.label_smoothing = label_smoothing
        self.code_loss = code_loss
        self.code_loss_weight = code_loss_weight
        self.temperature = temperature
        self.margin = margin
        self.shift = shift
        self.mirror = mirror
        self.erase = erase
        self.weight_decay = weight_decay
        self.averaging = check_averaging(averaging)
        self.finish_classifier(label_smoothing)

    @property
    def weighs_samples(self) -> bool:  # type: ignore[override]
        """Whether there is no loss that compares codes with each other."""
        return self.code_loss == "none"

    @property
    def loss_part_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The two losses, if there are two."""
        return () if self.code_loss == "none" else ("classification", self.code_loss)

    def make_optimizer(self) -> Any:
        """Return stochastic gradient descent with Nesterov's momentum, weight decay and averaging."""
        return AveragedSGD(
            self.learning_rate,
            momentum=0.9,
            nesterov=True,
            weight_decay=self.weight_decay,
            use_ema=self.averaging > 0,
            ema_momentum=self.averaging,
        )

    def schedule(self, total_steps: int | None) -> list[Any]:
        """Return the callback that sets the learning rate."""
        return [OneCycle(self.learning_rate, total_steps)]

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the cross-entropy of the head and the weighted second loss."""
        parts = super().loss_parts(x, y, y_pred, sample_weight)
        if self.code_loss == "contrastive":
            loss = supervised_contrastive_loss(y_pred["codes"], y, self.temperature)
            parts["contrastive"] = self.code_loss_weight * loss
        elif self.code_loss == "batch_hard":
            parts["batch_hard"] = self.code_loss_weight * batch_hard_loss(y_pred["codes"], y, self.margin)
        return parts
