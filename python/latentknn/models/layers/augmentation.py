"""Random changes of training images that leave their class alone."""

from typing import Any

from latentknn.models.backend import keras, tf


@keras.saving.register_keras_serializable(package="latentknn")
class RandomAugmentation(keras.layers.Layer):  # type: ignore[misc]
    """Shift, mirror and partly erase every image of a batch, while training.

    Parameters
    ----------
    shift : int
        Most pixels by which an image is moved in each direction; what comes in from outside is 0.
    mirror : bool
        Whether half of the images are mirrored, left to right.
    erase : float
        Probability that a rectangle is set to 0. Its sides are between an eighth and a half of the image's.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    References
    ----------
    Z. Zhong et al., "Random Erasing Data Augmentation", 2020.
    """

    def __init__(self, *, shift: int, mirror: bool, erase: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = int(shift)
        self.mirror = bool(mirror)
        self.erase = float(erase)
        self.seed = int(seed)

    def build(self, input_shape: Any) -> None:
        """Create the generator of the random numbers."""
        self._generator = keras.random.SeedGenerator(self.seed)
        super().build(input_shape)

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return changed images (N, H, W, C) if training, otherwise the same."""
        if not training:
            return images
        _, height, width, _ = images.shape
        count = tf.shape(images)[0]
        if self.shift > 0:
            images = self._shifted(images, count, height, width)
        if self.mirror:
            images = tf.where(self._uniform((count, 1, 1, 1)) < 0.5, images[:, :, ::-1], images)
        if self.erase > 0:
            erased = self._rectangle(count, height, 1) & self._rectangle(count, width, 2)
            erased &= self._uniform((count, 1, 1, 1)) < self.erase
            images = tf.where(erased, 0.0, images)
        return images

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "shift": self.shift,
            "mirror": self.mirror,
            "erase": self.erase,
            "seed": self.seed,
        }

    def _uniform(self, shape: Any) -> Any:
        return keras.random.uniform(shape, seed=self._generator)

    def _shifted(self, images: Any, count: Any, height: int, width: int) -> Any:
        border = (self.shift, self.shift)
        images = tf.pad(images, ((0, 0), border, border, (0, 0)))
        for axis, length in ((1, height), (2, width)):
            start = keras.random.randint((count, 1), 0, 2 * self.shift + 1, seed=self._generator)
            images = tf.gather(images, start + tf.range(length), axis=axis, batch_dims=1)
        return images

    def _rectangle(self, count: Any, length: int, axis: int) -> Any:
        """Return for every image a mask along an axis that is true in a random stretch."""
        share = 0.125 + 0.375 * self._uniform((count, 1))
        start = self._uniform((count, 1)) * (1 - share)
        places = (tf.range(length, dtype=tf.float32) + 0.5) / length
        inside = (places >= start) & (places < start + share)
        return tf.reshape(inside, (count, length, 1, 1) if axis == 1 else (count, 1, length, 1))
