"""Mixed precision: what layers compute in, and where it ends.

A model whose ``dtype`` is ``"mixed_float16"`` or ``"mixed_bfloat16"`` keeps its weights in float32 and
computes in halves. Codes, images and losses are of float32 all the same: every network ends with
``as_float32``, and small layers between them compute in float32 altogether.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from latentknn.models.backend import keras


@contextmanager
def layers_of(dtype: Any) -> Iterator[None]:
    """Make Keras layers created inside compute in what ``dtype`` says.

    Parameters
    ----------
    dtype : str, keras.dtype_policies.DTypePolicy, its config, or None
        As Keras takes it; None: its global policy.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(dtype))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def as_float32() -> Any:
    """Return a layer that turns what a network gives into float32."""
    return keras.layers.Activation("linear", dtype="float32")
