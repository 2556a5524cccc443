"""Models of Keras and PyTorch as functions that turn a batch of arrays into an array of codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def is_keras_layer(value: Any) -> bool:
    """Return whether a value is a layer or a model of Keras, without importing Keras."""
    layer = getattr(sys.modules.get("keras"), "Layer", None)
    return layer is not None and isinstance(value, layer)


def is_torch_module(value: Any) -> bool:
    """Return whether a value is a module of PyTorch, without importing PyTorch."""
    nn = getattr(sys.modules.get("torch"), "nn", None)
    return nn is not None and isinstance(value, nn.Module)


def function_of_keras(layer: Any) -> Callable[[Any], Any]:
    """Return a function that computes a Keras layer or model as it is outside of a training.

    Dropout and noise are off, and batch normalisation uses its statistics.
    """
    import keras

    def encode(batch: Any) -> Any:
        outputs = layer(batch, training=False)
        if isinstance(outputs, dict):
            return outputs
        if isinstance(outputs, list | tuple):
            raise TypeError(
                f"the model {layer.name} has {len(outputs)} outputs; pass a layer, or a keras.Model with one"
            )
        return keras.ops.convert_to_numpy(outputs)

    return encode


def function_of_torch(module: Any) -> Callable[[Any], Any]:
    """Return a function that computes a PyTorch module in evaluation mode and without gradients.

    Batches go to the device of the module's first parameter. Floats become of that parameter's dtype,
    integers stay what they are. Afterwards every part of the module is in the mode that it had before.
    """
    import torch

    def encode(batch: Any) -> Any:
        weight = next((each for each in module.parameters() if each.is_floating_point()), None)
        if isinstance(batch, np.ndarray | torch.Tensor):
            # Some arrays are read-only, and PyTorch would warn if it shared their memory.
            batch = torch.tensor(batch) if isinstance(batch, np.ndarray) else batch
            if weight is not None:
                batch = batch.to(weight.device, weight.dtype if batch.is_floating_point() else None)
        with _evaluation_mode(module), torch.no_grad():
            outputs = module(batch)
        if isinstance(outputs, torch.Tensor):
            return outputs.cpu()
        if isinstance(outputs, dict):
            return dict(outputs)
        raise TypeError(
            f"{type(module).__name__} returned a {type(outputs).__name__}, expected one tensor; pass a "
            "function that picks the codes"
        )

    return encode


@contextmanager
def _evaluation_mode(module: Any) -> Iterator[None]:
    trained = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in trained:
            part.training = True


def layer_output(model: Any, name: str) -> Any:
    """Return a Keras model from the inputs of `model` to the output of its layer of this name.

    Raises
    ------
    ValueError
        If there is no such layer, or the model has no graph of layers.
    """
    import keras

    layers = [layer.name for layer in model.layers]
    if name not in layers:
        raise ValueError(f"the model {model.name} has no layer {name!r}; it has {', '.join(layers)}")
    try:
        inputs, output = model.inputs, model.get_layer(name).output
        # A list of one would ask for lists of one.
        return keras.Model(inputs[0] if len(inputs) == 1 else inputs, output, name=name)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"the layer {name!r} of {model.name} cannot be reached by its name, because the model is no "
            "keras.Sequential and no functional model; pass a function of a batch as the encoder"
        ) from error
