"""Stochastic gradient descent with a running average that is of use after a short training too."""

from typing import Any

from latentknn.models.backend import keras
from latentknn.models.layers.running_averages import early_momentum


@keras.saving.register_keras_serializable(package="latentknn")
class AveragedSGD(keras.optimizers.SGD):  # type: ignore[misc]
    """Keras's SGD, whose running average of the weights soon forgets the first ones.

    Keras's average begins with the weights after the first step, which count for more than half of it even
    after 30 steps of a momentum of 0.98. Here the momentum grows up to ``ema_momentum``; arguments, variables
    and everything else are those of Keras.
    """

    ema_momentum: Any

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Take a step, and let the average follow with the momentum that is due."""
        highest = self.ema_momentum
        self.ema_momentum = early_momentum(highest, self.iterations)
        try:
            super().apply(grads, trainable_variables)
        finally:
            self.ema_momentum = highest
