"""Command-line options for a model's constructor."""

import argparse
import ast
import inspect
from collections.abc import Mapping
from typing import Any

from latentknn.cli.errors import CommandError
from latentknn.models import MODELS

_SET_BY_THE_RUN = ("input_shape", "num_classes", "seed")


def parse_option(text: str) -> tuple[str, Any]:
    """Split ``name=value``, where the value is a Python literal such as ``3`` or ``(32, 64)``, or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def check_options(model: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the model does not have.

    Raises
    ------
    CommandError
        If there is such an option; the message lists those that the model has.
    """
    parameters = inspect.signature(MODELS[model].load_class()).parameters.values()
    known = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in _SET_BY_THE_RUN
    ] + ["dtype"]
    for name in options:
        if name not in known:
            raise CommandError(f"{model} has no option {name!r}; it has {', '.join(known)}")
