"""The options of a model, read from the source of its class without importing TensorFlow."""

import ast
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from latentknn.models.autoencoders.dense_presets import PRESETS
from latentknn.models.registry import MODELS


@dataclass(frozen=True)
class ModelOption:
    """An argument of a model's constructor.

    Attributes
    ----------
    name : str
        The name.
    default : object
        The value if none is given.
    kind : str
        What values there are, as the docstring of the class says it.
    meaning : str
        What the option does, as that docstring says it.
    """

    name: str
    default: Any
    kind: str
    meaning: str


def model_options(model: str) -> dict[str, ModelOption]:
    """Return the options of a model by name, in the order of its constructor.

    Parameters
    ----------
    model : str
        One of ``MODELS``.

    Raises
    ------
    KeyError
        If there is no such model.

    Examples
    --------
    >>> from latentknn.models.options import model_options
    >>> option = model_options("conv_ae")["latent_dim"]
    >>> option.default, option.meaning
    (128, 'Length of a code.')
    """
    described = _class_of(model)
    documented = _documented(ast.get_docstring(described) or "")
    return {
        name: ModelOption(name, default, *documented[name]) for name, default in _defaults(model, described)
    }


def _class_of(model: str) -> ast.ClassDef:
    """Return the syntax tree of a model's class."""
    entry = MODELS[model]
    module = f"latentknn.models.{entry.module}"
    spec = find_spec(module)
    assert spec is not None
    source = spec.loader.get_source(module)  # type: ignore[union-attr]
    (found,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == entry.class_name
    )
    return found


def _defaults(model: str, described: ast.ClassDef) -> list[tuple[str, Any]]:
    """Return the arguments of the constructor with their defaults, which are literals or stand in a table."""
    for node in described.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            defaults = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            return [(argument.arg, ast.literal_eval(value)) for argument, value in defaults if value]
    return list(PRESETS[model].options.items())


def _documented(docstring: str) -> dict[str, tuple[str, str]]:
    """Return kind and meaning of each parameter that a docstring in NumPy's style describes."""
    section = docstring.partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    found = {}
    for names, kind, meaning in re.findall(r"^(\S.*?) : (.*)\n((?:^[ ]+.*\n?|^\n)*)", section, re.MULTILINE):
        for name in names.split(", "):
            found[name] = kind, " ".join(meaning.split())
    return found
