"""A small residual network."""

from typing import Any

from latentknn.models.backend import keras
from latentknn.models.images import ImageShape
from latentknn.models.layers.batch_normalization import BatchNormalization


def residual_encoder(
    input_shape: ImageShape,
    latent_dim: int,
    filters: tuple[int, ...],
    blocks: int,
    activation: str = "relu",
) -> Any:
    """Return a residual network from images to codes.

    A 3x3 convolution at full size is followed by one stage for each further number of filters. A stage has
    ``blocks`` residual blocks of two 3x3 convolutions, and its first block halves height and width. The mean
    over the last grid goes through a dense layer to the code, which is batch-normalised: codes then point in
    all directions from the start, and have a length that does not vanish.

    Parameters
    ----------
    input_shape : tuple of int
        (H, W, C) of the images.
    latent_dim : int
        Length of the code.
    filters : tuple of int
        Filters of the first convolution, then of each stage.
    blocks : int
        Residual blocks of a stage.
    activation : str
        Keras activation of the convolutions.

    Returns
    -------
    keras.Model
        From (N, H, W, C) to (N, latent_dim).

    Raises
    ------
    ValueError
        If there are no filters or no blocks.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", 2016; with the shortcut's average pooling of
    T. He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019.
    """
    if not filters or blocks < 1:
        raise ValueError(f"received filters {filters} and {blocks} blocks, expected at least one of each")
    images = keras.Input(input_shape)
    x = _convolution(images, filters[0], 1)
    x = keras.layers.Activation(activation)(x)
    for channels in filters[1:]:
        for block in range(blocks):
            x = _residual_block(x, channels, 2 if block == 0 else 1, activation)
    x = keras.layers.GlobalAveragePooling2D()(x)
    codes = keras.layers.Dense(latent_dim, use_bias=False, dtype="float32")(x)
    codes = _normalisation("float32")(codes)
    return keras.Model(images, codes, name="encoder")


def _residual_block(x: Any, channels: int, stride: int, activation: str) -> Any:
    y = keras.layers.Activation(activation)(_convolution(x, channels, stride))
    y = _convolution(y, channels, 1)
    if stride > 1:
        x = keras.layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != channels:
        x = keras.layers.Conv2D(channels, 1, use_bias=False)(x)
        x = _normalisation()(x)
    return keras.layers.Activation(activation)(keras.layers.Add()([x, y]))


def _convolution(x: Any, channels: int, stride: int) -> Any:
    # There is no bias, because the normalisation would undo it.
    x = keras.layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
    return _normalisation()(x)


def _normalisation(dtype: str | None = None) -> Any:
    # The statistics follow about the last 10 batches, because the cycle of the learning rate changes them.
    return BatchNormalization(momentum=0.9, dtype=dtype)
