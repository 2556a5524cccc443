"""The first step of every model divides integer pixels by 255."""

from typing import Any

from latentknn.models.backend import keras


def scale_pixels(images: Any) -> Any:
    """Return ``images`` as a float32 tensor from 0 to 1: integers divided by 255, floats as they are."""
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
        return images
    return keras.ops.cast(images, "float32") / 255.0
