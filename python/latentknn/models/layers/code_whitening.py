"""A layer evens out how much the directions of codes count."""

from typing import Any

import numpy as np

from latentknn.models.backend import keras, tf

_MOMENTUM = 0.99
# A direction is taken to have at least this share of the largest variance.
_FLOOR = 1e-6


@keras.saving.register_keras_serializable(package="latentknn")
class CodeWhitening(keras.layers.Layer):  # type: ignore[misc]
    """Follow the mean and covariance of codes in training, and shrink the directions in which they vary most.

    A decoder does not mind that a few directions of the codes vary much more than all others, but a cosine
    similarity hears those few alone. With C the running covariance, ``whiten`` takes the running mean away
    and multiplies by C^(-strength/2): a direction of variance v then has v^(1 - strength). Mean and
    covariance are those of the training's codes, so with dropout they are not quite those of ``encode``. The
    layer itself gives codes on as they are.

    Parameters
    ----------
    strength : float
        From 0 (only the mean is taken away) to 1 (all directions vary alike, none with another).
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    Raises
    ------
    ValueError
        If ``strength`` is not from 0 to 1.

    References
    ----------
    A. Kessy, A. Lewin, K. Strimmer, "Optimal Whitening and Decorrelation", 2018.
    """

    def __init__(self, strength: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= strength <= 1:
            raise ValueError(f"received a whitening of {strength}, expected 0 (none) to 1 (full)")
        self.strength = float(strength)

    def build(self, input_shape: Any) -> None:
        """Create the running averages: of codes, of their covariance, and of 1, to see how far they are."""
        dim = input_shape[-1]
        for name, shape in (("mean", (dim,)), ("covariance", (dim, dim)), ("seen", ())):
            weight = self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
            setattr(self, name, weight)
        super().build(input_shape)

    def call(self, codes: Any, training: bool | None = None) -> Any:
        """Return codes (N, d) as they are, and follow their mean and covariance if training."""
        if training:
            mean = tf.reduce_mean(codes, axis=0)
            apart = codes - mean
            others = tf.cast(tf.maximum(tf.shape(codes)[0] - 1, 1), codes.dtype)
            covariance = tf.matmul(apart, apart, transpose_a=True) / others
            for average, value in ((self.mean, mean), (self.covariance, covariance), (self.seen, 1.0)):
                average.assign(_MOMENTUM * average + (1 - _MOMENTUM) * tf.stop_gradient(value))
        return codes

    def whiten(self, codes: Any) -> Any:
        """Return codes (N, d) with their directions evened out, computed in float64."""
        apart = tf.cast(codes, tf.float64) - self._running(self.mean)
        return tf.cast(tf.matmul(apart, self._covariance_to_the(-self.strength / 2)), tf.float32)

    def restore(self, whitened: Any) -> Any:
        """Return the codes that ``whiten`` made these of, but for rounding."""
        apart = tf.matmul(tf.cast(whitened, tf.float64), self._covariance_to_the(self.strength / 2))
        return tf.cast(apart + self._running(self.mean), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "strength": self.strength}

    def _running(self, average: Any) -> Any:
        """Return a running average as if it had not begun at zero; zero before the first batch."""
        return tf.math.divide_no_nan(tf.cast(average, tf.float64), tf.cast(self.seen, tf.float64))

    def _covariance_to_the(self, exponent: float) -> Any:
        covariance = self._running(self.covariance)
        # A training that diverged ends in codes that are not finite, and not in an error of the eigenvalues.
        finite = tf.reduce_all(tf.math.is_finite(covariance))
        variances, directions = tf.linalg.eigh(tf.where(finite, covariance, tf.zeros_like(covariance)))
        largest = tf.reduce_max(variances)
        variances = tf.maximum(variances, tf.where(largest > 0, _FLOOR * largest, 1))
        power = tf.matmul(directions * variances**exponent, directions, transpose_b=True)
        return tf.where(finite, power, np.nan)
