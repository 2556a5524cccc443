"""Makes an encoder of what people have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latentknn.encoders.batch_encoder import DEFAULT_BATCH_SIZE, BatchEncoder
from latentknn.encoders.encoder import Encoder
from latentknn.encoders.frameworks import (
    function_of_keras,
    function_of_torch,
    is_keras_layer,
    is_torch_module,
)
from latentknn.encoders.ready_codes import ReadyCodes

_Function = Callable[[Any], Any]


def as_encoder(
    source: Any, *, prepare: Callable[[Any], Any] | None = None, batch_size: int | None = None
) -> Encoder:
    """Make an encoder of a model, a function or ready codes.

    Parameters
    ----------
    source
        One of these, recognised in this order:

        - an `Encoder`, such as every model of `latentknn.models`; it is returned as it is;
        - an object with a method ``encode`` of a batch, such as a sentence-transformers model;
        - a Keras model or layer; it is computed with ``training=False``;
        - a ``torch.nn.Module``; it is computed in evaluation mode, without gradients and on its own device;
        - a function of a batch;
        - an array of codes, (N, d), for items that are these codes themselves.
    prepare : callable, optional
        Function of a batch that returns what the source takes: images with channels, scaled, resized, or
        tokens of texts.
    batch_size : int, optional
        Largest number of items of a batch; 256 by default.

    Returns
    -------
    Encoder
        The encoder. It takes arrays of numbers, and lists or arrays of texts.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If `prepare` or `batch_size` is given to an `Encoder`, which has batches of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.encoders import as_encoder
    >>> encoder = as_encoder(lambda images: images.mean(axis=1), prepare=lambda images: images / 255)
    >>> encoder.encode(np.full((3, 8, 8), 255, np.uint8)).tolist()[0][:2]
    [1.0, 1.0]
    """
    if isinstance(source, Encoder) and not isinstance(source, type):
        return _with_own_batches(source, prepare, batch_size)
    for fits, function_of in _KINDS:
        if fits(source):
            size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
            return BatchEncoder(function_of(source), _name(source), prepare, size)
    if hasattr(source, "__array__"):
        return _with_own_batches(ReadyCodes(source), prepare, batch_size)
    raise TypeError(
        f"received a {type(source).__name__} as encoder; expected a model of latentknn, an object with "
        "encode, a Keras model or layer, a torch.nn.Module, a function, or an array of codes"
    )


def _with_own_batches(encoder: Encoder, prepare: Any, batch_size: Any) -> Encoder:
    if prepare is not None or batch_size is not None:
        raise ValueError(
            f"a {type(encoder).__name__} makes its own batches: leave prepare and batch_size out"
        )
    return encoder


def _name(source: Any) -> str:
    for attribute in ("name", "__name__"):
        name = getattr(source, attribute, None)
        if isinstance(name, str) and name != "<lambda>":
            return name
    return "function" if hasattr(source, "__name__") else type(source).__name__


def _has_encode(source: Any) -> bool:
    if isinstance(source, str | bytes | type) or not callable(getattr(source, "encode", None)):
        return False
    halves = [half for half in ("encode_labelled", "encode_queries") if hasattr(source, half)]
    if halves:
        raise TypeError(
            f"{type(source).__name__} has {' and '.join(halves)} but is no whole encoder; make it a subclass "
            "of latentknn.encoders.Encoder, which supplies the methods that it lacks"
        )
    return True


# Each row has a test of the source and the way to make a function of it, which turns a batch into codes. The
# order matters: a sentence-transformers model is a module of PyTorch too, and each model can be called.
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], _Function]], ...] = (
    (_has_encode, lambda source: source.encode),
    (is_keras_layer, function_of_keras),
    (is_torch_module, function_of_torch),
    (lambda source: callable(source) and not isinstance(source, type), lambda source: source),
)
