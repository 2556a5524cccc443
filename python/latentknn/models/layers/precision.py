"""Mixed precision: what layers compute in, and where it ends.

A model whose ``dtype`` is ``"mixed_float16"`` or ``"mixed_bfloat16"`` keeps its weights in float32 and
computes in float16 or bfloat16. Codes, images and losses are of float32 all the same: the last layer of every
network, its activation included, computes in float32, because 16 bits near 0 and 1 are too coarse for a
cross-entropy, and so do small layers between the networks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from latentknn.models.backend import keras

_POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


@contextmanager
def layers_computing_in(dtype: Any) -> Iterator[None]:
    """Make Keras layers created inside compute in what ``dtype`` says.

    Parameters
    ----------
    dtype : str, keras.dtype_policies.DTypePolicy, its config, or None
        As Keras takes it; None: its global policy.

    Raises
    ------
    ValueError
        If weights would not be of float32.
    """
    before, policy = keras.config.dtype_policy(), keras.dtype_policies.get(dtype)
    if policy.name not in _POLICIES:
        raise ValueError(f"received dtype {policy.name}, expected one of {', '.join(_POLICIES)}")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
