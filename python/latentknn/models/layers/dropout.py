"""Dropout with as few random bits as its rate needs."""

from typing import Any

from latentknn.models.backend import keras, tf


@keras.saving.register_keras_serializable(package="latentknn")
class Dropout(keras.layers.Dropout):  # type: ignore[misc]
    """Keras's layer, which draws 8 or 16 random bits for each value, and not 32.

    Drawing 32 takes longer than the rest of the layer, forward and backward, and a seventh of the time of a
    training of ``conv_ae``. Of 8 bits any multiple of 1/256 is the rate exactly, as 0.25 is; of 16 any other
    one to within 1/131072, and what is left is scaled by its own share. Arguments, variables and everything
    else are those of Keras.
    """

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Return the inputs; if training, with a share of them set to zero and the others scaled up."""
        if not training or not 0 < self.rate < 1 or self.noise_shape is not None:
            return super().call(inputs, training=training)
        bits = tf.uint8 if (self.rate * 256).is_integer() else tf.uint16
        # A share that rounds to all values leaves one in 65,536 of them.
        dropped = min(round(self.rate * (bits.max + 1)), bits.max)
        left = (bits.max + 1 - dropped) / (bits.max + 1)
        count = tf.size(inputs)
        words = tf.random.stateless_uniform(
            [-(-count // (4 // bits.size))], self.seed_generator.next(), None, None, tf.uint32
        )
        draws = tf.reshape(tf.reshape(tf.bitcast(words, bits), [-1])[:count], tf.shape(inputs))
        factors = tf.cast(draws >= tf.cast(dropped, bits), inputs.dtype) * (1.0 / left)
        return inputs * factors
