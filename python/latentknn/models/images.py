"""Images are checked, and brought to the shape and the types that the models compute on."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ImageShape = tuple[int, int, int]


def check_input_shape(input_shape: Iterable[int]) -> ImageShape:
    """Return ``input_shape`` as a tuple (height, width, channels).

    Raises
    ------
    ValueError
        If it is not three positive integers.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or any(int(length) != length or length < 1 for length in shape):
        raise ValueError(
            f"input_shape is {shape}, expected three positive integers (height, width, channels); "
            "greyscale images have one channel"
        )
    height, width, channels = (int(length) for length in shape)
    return (height, width, channels)


def prepare_images(images: ArrayLike, input_shape: ImageShape) -> NDArray[Any]:
    """Check images and bring them to the one layout that the models compute on.

    Integer pixels stay integers, because ``scale_pixels`` divides them by 255 inside the model, batch by
    batch: a quarter of the memory of floats.

    Parameters
    ----------
    images : array_like of integers, floats or bool, shape (N, H, W, C), or (N, H, W) where C is 1
        Integers from 0 to 255, or floats from 0 to 1.
    input_shape : tuple of int
        (H, W, C) of the model.

    Returns
    -------
    ndarray of uint8 or float32, shape (N, H, W, C)
        uint8 if ``images`` are integers, otherwise float32.

    Raises
    ------
    TypeError
        If ``images`` are not numbers.
    ValueError
        If the shape is wrong, a value is NaN or out of range.
    """
    array = np.asarray(images)
    height, width, channels = input_shape
    if channels == 1 and array.ndim == 3:
        array = array[..., np.newaxis]
    if array.shape[1:] != input_shape:
        also = f" or (N, {height}, {width})" if channels == 1 else ""
        raise ValueError(
            f"received images of shape {np.shape(images)}, "
            f"but the model takes (N, {height}, {width}, {channels}){also}"
        )

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.integer):
        _check_range(array, 255, "integer images go from 0 to 255")
        return array.astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        _check_range(array, 1, "divide pixels by their largest value, or pass integers from 0 to 255")
        return array.astype(np.float32, copy=False)
    raise TypeError(f"received images of dtype {array.dtype}, expected integers or floats")


def _check_range(array: NDArray[Any], highest: int, advice: str) -> None:
    if array.size == 0:
        return
    lowest_found, highest_found = array.min(), array.max()
    # If there is a NaN, both are NaN, and the comparison below would let it pass.
    if np.isnan(lowest_found):
        raise ValueError("received images that contain NaN; remove or replace those values")
    if lowest_found < 0 or highest_found > highest:
        raise ValueError(
            f"received images with values from {lowest_found} to {highest_found}, "
            f"expected 0 to {highest}: {advice}"
        )
