"""``latentknn datasets`` lists the data sets, or gets one."""

from __future__ import annotations

from typing import Annotated

import typer

from latentknn.cli.deferring import deferred
from latentknn.cli.errors import NO_DATASET, CommandError, as_command_error
from latentknn.cli.names import completing, did_you_mean
from latentknn.cli.quietness import errors_held_back
from latentknn.cli.table import format_table
from latentknn.progress import bar


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    group = typer.Typer(
        help="List the data sets; with 'fetch', make sure that one is there.", invoke_without_command=True
    )
    group.callback()(_list)
    group.command(
        "fetch", help="Find a data set, or download it, or unpack Debian's package of it without root."
    )(_fetch)
    app.add_typer(group, name="datasets")


def names() -> tuple[str, ...]:
    """Return the names of the data sets."""
    from latentknn.datasets import NAMES

    return NAMES


def check_dataset(name: str) -> None:
    """Refuse a name that no data set has.

    Raises
    ------
    CommandError
        If there is no such data set; the message lists those that there are.
    """
    if name not in names():
        raise CommandError(
            f"unknown data set {name!r}: choose one of {', '.join(names())}, or give your own by --data PATH"
            f"{did_you_mean(name, names())}"
        )


@deferred
def _list() -> None:
    from latentknn.datasets import NAMES, cache_folder
    from latentknn.datasets.published import PUBLISHED

    rows = [("name", "where it is")]
    for name in NAMES:
        published = PUBLISHED.get(name)
        if published is None:
            rows.append((name, "in scikit-learn"))
            continue
        folders = [cache_folder(name), published.debian_folder]
        found = next((str(folder) for folder in folders if folder is not None and folder.exists()), None)
        rows.append((name, found or _how_to_get(published.debian_package is not None, name)))
    print(format_table(rows))
    print("\nYour own data: latentknn run --dataset NAME --data FOLDER_OR_FILE")


def _how_to_get(packaged: bool, name: str) -> str:
    keras = "downloaded by Keras when it is asked for"
    return f"{keras}, or by 'latentknn datasets fetch {name}'" if packaged else keras


@deferred
def _fetch(
    name: Annotated[str, typer.Argument(help="the data set", autocompletion=completing(names))],
) -> None:
    check_dataset(name)
    from latentknn.datasets import DatasetNotFoundError, fetch, load

    # Keras, which may download the data, imports TensorFlow.
    with as_command_error(ValueError):  # damaged files
        try:
            with errors_held_back() as real, bar(f"load {name}", real):
                found = load(name)
            print(found)
            return
        except DatasetNotFoundError as error:
            nowhere = error
        try:
            with bar(f"fetch {name}"):
                folder = fetch(name)
        except (DatasetNotFoundError, ValueError) as error:
            raise CommandError(
                f"{nowhere}\nThe package could not be fetched: {error}\n{NO_DATASET}"
            ) from error
    print(f"{name} is in {folder}")
