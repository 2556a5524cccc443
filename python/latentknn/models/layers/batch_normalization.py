"""Batch normalisation with statistics that are of use after few batches too."""

from collections.abc import Callable
from typing import Any

from latentknn.models.backend import keras
from latentknn.models.layers.running_averages import early_momentum


# The class has the name of Keras's own, because files name a layer by its class, and some files hold Keras's.
@keras.saving.register_keras_serializable(package="latentknn")
class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's layer, whose running mean and variance soon forget the 0 and 1 that they begin with.

    With Keras's momentum of 0.99 those are still half of the statistics after 70 batches, and codes and
    logits have little to do with those of the training. Here the momentum grows up to ``momentum`` with the
    number of steps that were taken, which a model tells its layers; without a model it does not. Arguments,
    variables and everything else are those of Keras.
    """

    count_steps: Callable[[], Any] | None = None
    """Returns the number of steps; set by ``ImageEncoder.finish``."""
    momentum: Any

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return normalised inputs; if training, the statistics follow with the momentum that is due."""
        highest = self.momentum
        if training and self.count_steps is not None:
            self.momentum = early_momentum(highest, self.count_steps())
        try:
            return super().call(inputs, training=training, mask=mask)
        finally:
            self.momentum = highest
