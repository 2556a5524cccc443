"""Random views of images: two of the same image show what is to make no difference to its code."""

import math
from typing import Any

from latentknn.models.backend import keras, tf

# A view is at most so many times as wide as the part of the image that it shows, and at most as many as high;
# less where the part would be longer than the image.
_STRETCH = 4 / 3
# Sides of an erased rectangle are between these shares of the view's.
_ERASED = (0.125, 0.5)
_DRAWS = 11
# Counter of the draws outside of training, to which the generator never comes.
_FIXED = -1


@keras.saving.register_keras_serializable(package="latentknn")
class RandomViews(keras.layers.Layer):  # type: ignore[misc]
    """Make two random views of every image of a batch.

    A view is a part of the image, brought to the image's size; it may be mirrored, darker or brighter, and
    partly erased. Outside of training the views are drawn too, but the same ones each time, so that losses of
    held-out images can be compared.

    Parameters
    ----------
    crop : float
        Smallest share of the image's area that a view shows, above 0; 1: all of it.
    mirror : bool
        Whether half of the views are mirrored, left to right.
    brightness : float
        Largest share by which the pixels of a view are brighter or darker, from 0 to 1; none becomes larger
        than 1.
    erase : float
        Probability that a rectangle of a view is set to 0. Its sides are between an eighth and a half of the
        view's.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    Raises
    ------
    ValueError
        If a share or the probability is out of its range.

    References
    ----------
    T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020, appendix A.
    Z. Zhong et al., "Random Erasing Data Augmentation", 2020.
    """

    def __init__(
        self, *, crop: float, mirror: bool, brightness: float, erase: float, seed: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < crop <= 1:
            raise ValueError(f"received crop {crop}, expected a share of the area above 0, at most 1")
        for name, value in (("brightness", brightness), ("erase", erase)):
            if not 0 <= value <= 1:
                raise ValueError(f"received {name} {value}, expected a number from 0 to 1")
        self.crop = float(crop)
        self.mirror = bool(mirror)
        self.brightness = float(brightness)
        self.erase = float(erase)
        self.seed = int(seed)

    def build(self, input_shape: Any) -> None:
        """Create the generator of the random numbers."""
        self._generator = keras.random.SeedGenerator(self.seed)
        super().build(input_shape)

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return views (2N, H, W, C) of images (N, H, W, C): one of each, then another of each."""
        _, height, width, _ = images.shape
        count = tf.shape(images)[0]
        seed = tf.cast(self._generator.next(), tf.int32) if training else (self.seed % 2**31, _FIXED)
        draws = tf.unstack(tf.random.stateless_uniform((2 * count, _DRAWS), seed), axis=1)
        views = tf.tile(images, (2, 1, 1, 1))
        if self.crop < 1:
            views = self._parts(views, *draws[:4])
        if self.mirror:
            views = tf.where(_of_each(draws[4]) < 0.5, views[:, :, ::-1], views)
        if self.brightness > 0:
            views = tf.minimum(views * (1 + self.brightness * (2 * _of_each(draws[5]) - 1)), 1.0)
        if self.erase > 0:
            rows, columns = _stretch(draws[6], draws[7], height), _stretch(draws[8], draws[9], width)
            erased = rows[:, :, None, None] & columns[:, None, :, None]
            views = tf.where(erased & (_of_each(draws[10]) < self.erase), 0.0, views)
        return views

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "crop": self.crop,
            "mirror": self.mirror,
            "brightness": self.brightness,
            "erase": self.erase,
            "seed": self.seed,
        }

    def _parts(self, images: Any, area: Any, shape: Any, top: Any, left: Any) -> Any:
        """Return a part of each image at the size of the image, for draws from 0 to 1."""
        _, height, width, _ = images.shape
        area = self.crop + (1 - self.crop) * area
        stretch = tf.minimum(-tf.math.log(area), math.log(_STRETCH))
        shape = tf.exp(stretch * (2 * shape - 1))
        high, wide = tf.minimum(tf.sqrt(area * shape), 1), tf.minimum(tf.sqrt(area / shape), 1)
        rows, columns = _interpolation(top, high, height), _interpolation(left, wide, width)
        return tf.einsum("njw,niwc->nijc", columns, tf.einsum("nih,nhwc->niwc", rows, images))


def _interpolation(start: Any, share: Any, length: int) -> Any:
    """Return (2N, length, length): what each pixel of an axis counts in the pixels of its part."""
    pixels = tf.range(length, dtype=tf.float32)
    start = start * (1 - share) * (length - 1)
    places = start[:, None] + share[:, None] * pixels
    return tf.maximum(1 - tf.abs(places[:, :, None] - pixels), 0)


def _of_each(draw: Any) -> Any:
    """Return a number of every view so that it applies to all of the view's pixels."""
    return draw[:, None, None, None]


def _stretch(share: Any, start: Any, length: int) -> Any:
    """Return (2N, length): a mask of every view that is true along one stretch, for draws from 0 to 1."""
    shortest, longest = _ERASED
    share = (shortest + (longest - shortest) * share)[:, None]
    start = start[:, None] * (1 - share)
    places = (tf.range(length, dtype=tf.float32) + 0.5) / length
    return (places >= start) & (places < start + share)
