"""Batch normalisation in one operation."""

from typing import Any

from latentknn.models.backend import keras, tf


@keras.saving.register_keras_serializable(package="latentknn")
class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc, unused-ignore]
    """Keras's batch normalisation of images (N, H, W, C), trained by TensorFlow's fused operation.

    Keras composes the training step from a dozen operations that each pass over all activations; on a CPU
    they cost as much as the convolutions between them. Arguments, weights and inference are those of
    ``keras.layers.BatchNormalization``; the moving variance is the unbiased one, as in the fused operation.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise by the statistics of the batch in training, otherwise by the moving ones."""
        if not training or not self.trainable:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return outputs
