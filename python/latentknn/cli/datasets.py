"""``latentknn datasets`` lists the data sets, or gets one."""

import argparse
import os
from typing import Any

from latentknn.cli.errors import NO_DATASET, CommandError, as_command_error
from latentknn.cli.table import format_table


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "datasets",
        help="list the data sets, or get one",
        description="List the data sets; with 'fetch', make sure that one is there.",
    )
    parser.set_defaults(command=_list)
    fetch = parser.add_subparsers(metavar="fetch").add_parser(
        "fetch",
        help="find a data set, or download it, or unpack Debian's package of it without root",
    )
    fetch.add_argument("name", help="the data set")
    fetch.set_defaults(command=_fetch)


def _list(arguments: argparse.Namespace) -> None:
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


def _fetch(arguments: argparse.Namespace) -> None:
    from latentknn.datasets import DatasetNotFoundError, fetch, load

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Keras may have to download it
    with as_command_error(ValueError):  # an unknown name, or damaged files
        try:
            print(load(arguments.name))
            return
        except DatasetNotFoundError as error:
            nowhere = error
        try:
            folder = fetch(arguments.name)
        except (DatasetNotFoundError, ValueError) as error:
            raise CommandError(
                f"{nowhere}\nThe package could not be fetched: {error}\n{NO_DATASET}"
            ) from error
    print(f"{arguments.name} is in {folder}")
