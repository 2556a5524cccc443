"""``latentknn models`` lists the models, or the options of one."""

from __future__ import annotations

from typing import Annotated

import typer

from latentknn.cli.deferring import deferred
from latentknn.cli.model_options import check_model, options_of
from latentknn.cli.names import completing
from latentknn.cli.table import format_table
from latentknn.models import MODELS, OPERATIONS


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("models", help="List the models, or what one is and its options.")(_models)


@deferred
def _models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="the model whose options are listed",
            show_default=False,
            autocompletion=completing(lambda: MODELS),
        ),
    ] = None,
) -> None:
    if name is None:
        _list_models()
    else:
        check_model(name)
        _describe(name)


def _list_models() -> None:
    rows = [("name", "labels", "operations", "description")]
    for entry in MODELS.values():
        operations = ", ".join(name for name in OPERATIONS if name in entry.capabilities)
        rows.append((entry.name, "yes" if entry.uses_labels else "no", operations, entry.description))
    print(format_table(rows))


def _describe(name: str) -> None:
    entry = MODELS[name]
    operations = ", ".join(name for name in OPERATIONS if name in entry.capabilities)
    learns = "with labels" if entry.uses_labels else "without labels"
    print(f"{name}: {entry.description}\nlearns {learns}; operations: {operations}\n")
    rows = [("option", "default", "meaning")]
    rows += [
        (option.name, str(option.default), f"{option.meaning.replace('``', '')} ({option.kind})")
        for option in options_of(name).values()
    ]
    print(format_table(rows))
    print(f"\nlatentknn run --model {name} --option NAME=VALUE sets one of them; a seed is set by --seed.")
