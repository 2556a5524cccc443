"""Activations as layers of their own."""

from typing import Any

from latentknn.models.backend import keras


def activation_layer(name: str, slope: float = 0.3, dtype: str | None = None) -> Any:
    """Return a layer for one of Keras's activations.

    Parameters
    ----------
    name : str
        As ``keras.activations.get`` takes it.
    slope : float
        Slope of ``"leaky_relu"`` below zero.
    dtype : str or None
        Data type of the layer; None: the policy of the model.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    if name == "leaky_relu":
        return keras.layers.LeakyReLU(slope, dtype=dtype)
    return keras.layers.Activation(name, dtype=dtype)
