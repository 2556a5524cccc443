"""A distribution over grids of codebook entries, cell by cell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.models.backend import keras

_CHANNELS = 32
_BLOCKS = 3
_FIRST_KERNEL = 7


@keras.saving.register_keras_serializable(package="latentknn")
class MaskedConv2D(keras.layers.Layer):  # type: ignore[misc]
    """A convolution that sees only what comes before a cell, row by row.

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size : int
        Width and height of the kernel, odd.
    sees_itself : bool
        Whether the cell itself is seen too.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.layers.Layer``.

    References
    ----------
    A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016.
    """

    def __init__(self, filters: int, kernel_size: int, sees_itself: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = int(filters)
        self.kernel_size = int(kernel_size)
        self.sees_itself = bool(sees_itself)

    def build(self, input_shape: Any) -> None:
        """Create the kernel, of which those of later cells are never used, and the bias."""
        size, middle = self.kernel_size, self.kernel_size // 2
        self.kernel = self.add_weight(
            name="kernel", shape=(size, size, input_shape[-1], self.filters), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self._mask = np.zeros((size, size, 1, 1), np.float32)
        self._mask[:middle] = 1
        self._mask[middle, : middle + self.sees_itself] = 1
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return (N, h, w, filters) of inputs (N, h, w, channels)."""
        mask = keras.ops.cast(self._mask, self.compute_dtype)
        return keras.ops.conv(inputs, self.kernel * mask, padding="same") + self.bias

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "sees_itself": self.sees_itself}
        return {**super().get_config(), **own}


def grid_prior(height: int, width: int, codebook_size: int) -> Any:
    """Return a network that foretells every cell of a grid from those before it.

    Parameters
    ----------
    height, width : int
        Cells of a grid.
    codebook_size : int
        Number of entries among which a cell chooses.

    Returns
    -------
    keras.Model
        From grids (N, height, width) of entries' numbers to logits (N, height, width, codebook_size).
    """
    grids = keras.Input((height, width), dtype="int32")
    x = keras.layers.Embedding(codebook_size, _CHANNELS)(grids)
    x = MaskedConv2D(_CHANNELS, _FIRST_KERNEL, sees_itself=False)(x)
    for _ in range(_BLOCKS):
        seen = MaskedConv2D(_CHANNELS, 3, sees_itself=True)(keras.layers.ReLU()(x))
        x = keras.layers.Add()([x, seen])
    logits = keras.layers.Dense(codebook_size, dtype="float32")(keras.layers.ReLU()(x))
    return keras.Model(grids, logits, name="prior")


def sample_grids(prior: Any, n: int, seed: int) -> NDArray[np.int64]:
    """Draw grids, each cell given those before it.

    Parameters
    ----------
    prior : keras.Model
        Network that ``grid_prior`` returned.
    n : int
        Number of grids.
    seed : int
        Seed of the draws; the first grids do not depend on ``n``.

    Returns
    -------
    ndarray of int64, shape (n, height, width)

    Raises
    ------
    ValueError
        If ``n`` is negative.
    """
    if n < 0:
        raise ValueError(f"cannot generate {n} images; n must be at least 0")
    _, height, width, codebook_size = prior.output_shape
    # The position of the largest of the logits with Gumbel noise is a draw from their softmax.
    noise = np.random.default_rng(seed).gumbel(size=(n, height, width, codebook_size))
    grids = np.zeros((n, height, width), np.int64)
    for row in range(height):
        for column in range(width):
            logits = np.asarray(prior(grids, training=False))[:, row, column]
            grids[:, row, column] = (logits + noise[:, row, column]).argmax(axis=-1)
    return grids
