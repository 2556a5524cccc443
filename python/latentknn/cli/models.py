"""``latentknn models`` lists the models."""

import argparse
from typing import Any

from latentknn.cli.table import format_table
from latentknn.models import MODELS, OPERATIONS


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("models", help="list the models", description="List the models.")
    parser.set_defaults(command=_list)


def _list(arguments: argparse.Namespace) -> None:
    rows = [("name", "labels", "operations", "description")]
    for entry in MODELS.values():
        operations = ", ".join(name for name in OPERATIONS if name in entry.capabilities)
        rows.append((entry.name, "yes" if entry.uses_labels else "no", operations, entry.description))
    print(format_table(rows))
