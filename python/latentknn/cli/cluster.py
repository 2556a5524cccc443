"""``latentknn cluster`` serves a folder of shards from the nodes of a Ray cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import latentknn as lk
from latentknn.atomic_file import atomic_file
from latentknn.cli.code_files import read_array
from latentknn.cli.deferring import deferred
from latentknn.cli.errors import as_command_error
from latentknn.cli.evaluate import WEIGHTS
from latentknn.cli.helping import paragraphs
from latentknn.cli.names import choice, completing
from latentknn.cli.numbers import positive_integer, positive_number
from latentknn.cli.table import format_table

_ERRORS = (OSError, ValueError, TypeError, ImportError, RuntimeError, MemoryError, LookupError)


_HELP = """\
Serve a folder of shards from one machine or many.

A cluster of this machine listens on its loopback address alone; another one is named by --address.
"""


def _address(text: str) -> str | None:
    """Read an address; "local" is None, for the index of a command has to outlive the command."""
    return None if text == "local" else text


Name = Annotated[str, typer.Option(metavar="NAME", help="of the index")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        parser=_address,
        help="of the cluster, such as auto or ray://host:10001; by default local, this machine",
    ),
]
Seconds = typer.Option(metavar="SECONDS", parser=positive_number, help="how long to wait")


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    group = typer.Typer(help=paragraphs(_HELP))
    group.command("start", help="Have the nodes of a cluster read a folder.")(_start)
    group.command("status", help="Say what each worker holds and does.")(_status)
    group.command("search", help="Find the neighbours of the queries in a .npy file.")(_search)
    group.command("classify", help="Classify the codes in Parquet files.")(_classify)
    group.command("stop", help="End an index for everybody.")(_stop)
    app.add_typer(group, name="cluster")


@deferred
def _start(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="of the shards")],
    name: Name = "latentknn",
    address: Address = None,
    replicas: Annotated[
        int, typer.Option(metavar="N", parser=positive_integer, help="nodes that hold each shard")
    ] = 1,
    timeout: Annotated[float, Seconds] = 600.0,
) -> None:
    with as_command_error(*_ERRORS):
        if address is None:
            lk.distributed.start_apart(folder, name, replicas, timeout)
        else:
            lk.distributed.start(
                folder, address=address, replicas=replicas, name=name, timeout=timeout
            ).disconnect()
    print(f"{folder} is served: lk.distributed.connect({name!r})")


@deferred
def _status(name: Name = "latentknn", address: Address = None) -> None:
    with as_command_error(*_ERRORS):
        status = lk.distributed.connect(name, address=address).status()
    print(
        f"{status.name}: {status.path}, generation {status.generation}, {status.rows:,} codes of "
        f"{status.dim} dimensions in {status.shards} shards, replicas: {status.replicas}, "
        f"restarts: {status.restarts}"
    )
    rows = [("node", "process", "shards", "codes", "memory, MiB", "queries/s", "answers")]
    for each in status.workers:
        cells = (each.node[:8], str(each.pid), ",".join(map(str, each.shards)), f"{each.rows:,}")
        answers = "yes" if each.answers else "no"
        rows.append((*cells, f"{each.memory >> 20:,}", f"{each.queries_per_second:.1f}", answers))
    print(format_table(rows))


@deferred
def _search(
    queries: Annotated[Path, typer.Argument(metavar="QUERIES", help="a .npy file of a matrix")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="a .npz file of ids, positions and similarities")
    ],
    name: Name = "latentknn",
    address: Address = None,
    k: Annotated[
        int, typer.Option("-k", metavar="K", parser=positive_integer, help="neighbours of a query")
    ] = 10,
    timeout: Annotated[float, Seconds] = 60.0,
) -> None:
    asked = read_array(queries)
    with as_command_error(*_ERRORS):
        found = lk.distributed.connect(name, address=address).search(asked, k, timeout=timeout)
        with atomic_file(output) as unfinished, unfinished.open("wb") as file:
            np.savez(file, ids=found.ids, positions=found.positions, similarities=found.similarities)
    print(f"the {k} neighbours of {len(asked):,} queries are in {output}")


@deferred
def _classify(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="names or patterns")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="a folder, for one file of each input's name")
    ],
    name: Name = "latentknn",
    address: Address = None,
    codes: Annotated[str, typer.Option(metavar="COLUMN", help="the column of the codes")] = "codes",
    k: Annotated[
        int, typer.Option("-k", metavar="K", parser=positive_integer, help="neighbours that vote")
    ] = 1,
    weights: Annotated[
        str,
        typer.Option(
            metavar="|".join(WEIGHTS),
            parser=choice(*WEIGHTS),
            help="weights of their votes",
            autocompletion=completing(lambda: WEIGHTS),
        ),
    ] = "uniform",
) -> None:
    with as_command_error(*_ERRORS):
        index = lk.distributed.connect(name, address=address)
        lk.distributed.classify(
            lk.CosineKNNClassifier.from_index(index, k, weights=weights),
            files,
            output,
            codes=codes,
            progress=lambda progress: print(progress, file=sys.stderr),
        )
    print(f"the classes are in {output}")


@deferred
def _stop(name: Name = "latentknn", address: Address = None) -> None:
    with as_command_error(*_ERRORS):
        lk.distributed.stop_apart(name, address)
    print(f"{name} is stopped")
