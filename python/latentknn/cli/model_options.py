"""Command-line options for a model's constructor. They are checked without TensorFlow."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import typer

from latentknn.cli.errors import CommandError
from latentknn.cli.names import did_you_mean
from latentknn.models import MODELS
from latentknn.models.options import ModelOption, model_options

_SET_BY_THE_RUN = ("input_shape", "num_classes", "seed")

_DTYPE = ModelOption(
    "dtype",
    "float32",
    "str",
    "Arithmetic of the layers: float32, mixed_float16 or mixed_bfloat16.",
)
"""What every model takes from Keras."""


def parse_option(text: str) -> tuple[str, Any]:
    """Split ``name=value``, where the value is a Python literal such as ``3`` or ``(32, 64)``, or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise typer.BadParameter(f"{text!r} is not of the form name=value")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def check_model(name: str) -> None:
    """Refuse a name that no model has.

    Raises
    ------
    CommandError
        If there is no such model; the message lists those that there are.
    """
    if name not in MODELS:
        raise CommandError(
            f"unknown model {name!r}: choose one of {', '.join(MODELS)}{did_you_mean(name, MODELS)}"
        )


def options_of(model: str) -> dict[str, ModelOption]:
    """Return the options of a model that the command line can set, by name."""
    options = {**model_options(model), _DTYPE.name: _DTYPE}
    return {name: option for name, option in options.items() if name not in _SET_BY_THE_RUN}


def check_options(model: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the model does not have.

    Raises
    ------
    CommandError
        If there is such an option; the message lists those that the model has.
    """
    known = options_of(model)
    for name in options:
        if name not in known:
            raise CommandError(
                f"{model} has no option {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}"
            )
