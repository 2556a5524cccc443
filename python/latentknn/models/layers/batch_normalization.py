"""Batch normalisation in one operation, with statistics that are of use after few batches too."""

from collections.abc import Callable
from typing import Any

from latentknn.models.backend import JIT_COMPILE, keras, tf
from latentknn.models.layers.running_averages import early_momentum

# The fused operation of some GPUs refuses a smaller epsilon.
_SMALLEST_EPSILON = 1.001e-5
# oneDNN computes on so many channels of 16 bits at once; with other numbers it takes twice as long as Keras.
_CHANNELS_AT_ONCE = 16


# The class has the name of Keras's own, because files name a layer by its class, and some files hold Keras's.
@keras.saving.register_keras_serializable(package="latentknn")
class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's layer, which normalises the batches of a training in one operation and soon has statistics.

    Keras computes the mean, the variance and the normalised values of a batch one after the other, and so
    their slopes. Of images (N, H, W, C) TensorFlow's ``FusedBatchNormV3`` computes the same up to rounding,
    in few passes over memory. Inputs of another rank, for which it is no faster, and with a mask are left to
    Keras, and so is whatever is no training: codes of models that older versions saved are the same to the
    bit. So is all that XLA compiles, on GPUs and where a model is compiled so: it fuses Keras's operations,
    and loses digits of the variance in this one.

    With Keras's momentum of 0.99 the 0 and 1 that the running mean and variance begin with are still half of
    the statistics after 70 batches, and codes and logits have little to do with those of the training. Here
    the momentum grows up to ``momentum`` with the number of steps that were taken, which a model tells its
    layers; without a model it does not. Arguments, variables and everything else are those of Keras.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015.
    """

    count_steps: Callable[[], Any] | None = None
    """Returns the number of steps; set by ``ImageEncoder.finish``."""
    compiled_by_xla: Callable[[], bool] | None = None
    """Returns whether XLA compiles the model's steps; set by ``ImageEncoder.finish``."""
    momentum: Any

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return normalised inputs; if training, the statistics follow with the momentum that is due."""
        highest = self.momentum
        if training and self.count_steps is not None:
            self.momentum = early_momentum(highest, self.count_steps())
        try:
            if training and self.trainable and mask is None and self._fuses(inputs):
                return self._normalised_by_batch(inputs)
            return super().call(inputs, training=training, mask=mask)
        finally:
            self.momentum = highest

    def _fuses(self, inputs: Any) -> bool:
        """Return whether the fused operation computes what Keras does of these inputs."""
        return (
            JIT_COMPILE is False
            and not (self.compiled_by_xla is not None and self.compiled_by_xla())
            and len(inputs.shape) == 4
            and inputs.shape[-1] is not None
            and self.axis in (-1, 3)
            and inputs.dtype != tf.float64
            and self.variable_dtype == "float32"
            and self.epsilon >= _SMALLEST_EPSILON
            # Older versions of Keras do not know it.
            and not getattr(self, "renorm", False)
            and not self.synchronized
        )

    def _normalised_by_batch(self, inputs: Any) -> Any:
        """Normalise images (N, H, W, C) by their own mean and variance, which the statistics follow."""
        channels = inputs.shape[-1]
        if channels % _CHANNELS_AT_ONCE != 0:
            inputs = tf.cast(inputs, tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros(channels),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation divides by one value less than there are, and Keras's statistics by their number.
        count = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance *= tf.maximum(count - 1, 1) / count
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + value * (1 - self.momentum))
        return tf.cast(outputs, self.compute_dtype)
