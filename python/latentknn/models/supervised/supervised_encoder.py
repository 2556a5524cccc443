"""The supervised models share an encoder with a head that tells classes apart."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.layers.augmentation import RandomAugmentation
from latentknn.models.layers.scaling import scale_pixels


class SupervisedEncoder(ImageEncoder):
    """An encoder and a head that classifies its codes, trained by cross-entropy.

    The accuracy of the head is logged; the codes are what the model is for.

    Parameters
    ----------
    encoder : keras.Model
        From scaled images (N, H, W, C) to codes (N, latent_dim).
    head : keras.Layer
        From codes to logits (N, num_classes).
    num_classes : int
        Number of classes.
    augmentation : RandomAugmentation or None
        Layer that changes the scaled images of a training. If it mirrors them, a code counts the encoder's
        outputs for both sides.
    shifted_views : bool
        Whether a code also counts the image moved by a pixel, down to the right and up to the left. A code
        that counts several views is the sum of their outputs, each of length 1.
    input_shape, latent_dim, learning_rate, seed, **kwargs
        See ``ImageEncoder``.
    """

    uses_labels = True

    def __init__(
        self,
        *,
        encoder: Any,
        head: Any,
        num_classes: int,
        augmentation: RandomAugmentation | None = None,
        shifted_views: bool = False,
        input_shape: Iterable[int],
        latent_dim: int,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_shape=input_shape, latent_dim=latent_dim, learning_rate=learning_rate, seed=seed, **kwargs
        )
        self.encoder = encoder
        self.head = head
        self.num_classes = int(num_classes)
        self.augmentation = augmentation
        self.shifted_views = bool(shifted_views)

    def finish_classifier(self, label_smoothing: float = 0.0) -> None:
        """Build the model and compile it with cross-entropy and accuracy.

        Parameters
        ----------
        label_smoothing : float
            Share of the probability that the loss asks to spread over all classes.
        """
        self.finish(
            keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
            [keras.metrics.CategoricalAccuracy(name="accuracy")],
        )

    def call(self, images: Any, training: bool | None = None) -> dict[str, Any]:
        """Return ``codes`` and ``logits`` for images that are scaled or not, changed if training."""
        images = scale_pixels(images)
        if self.augmentation is not None:
            images = self.augmentation(images, training=training)
        codes = self.encoder(images, training=training)
        return {"codes": codes, "logits": self.head(codes)}

    def encode_scaled(self, images: Any) -> Any:
        """Return the encoder's outputs, where there are several views of an image their sum."""
        outputs = [self.encoder(view, training=False) for view in self._views(images)]
        return outputs[0] if len(outputs) == 1 else sum(map(keras.ops.normalize, outputs))

    def _views(self, images: Any) -> list[Any]:
        views = [images]
        if self.shifted_views:
            padded = keras.ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
            views += [padded[:, :-2, :-2], padded[:, 2:, 2:]]
        if self.augmentation is not None and self.augmentation.mirror:
            views += [view[:, :, ::-1] for view in views]
        return views

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the cross-entropy of the head, by the loss given to ``compile``."""
        targets = keras.ops.one_hot(y, self.num_classes)
        loss = keras.Model.compute_loss(self, x, targets, y_pred["logits"], sample_weight)
        return {"classification": loss}

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Give the metrics of ``compile`` the logits."""
        targets = keras.ops.one_hot(y, self.num_classes)
        return super().compute_metrics(x, targets, y_pred["logits"], sample_weight)
