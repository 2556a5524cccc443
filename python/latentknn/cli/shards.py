"""``latentknn shards`` writes folders of shards, verifies them and says what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import latentknn as lk
from latentknn.cli.code_files import read_labels
from latentknn.cli.deferring import deferred
from latentknn.cli.errors import as_command_error
from latentknn.cli.numbers import positive_integer
from latentknn.cli.table import format_table
from latentknn.files.manifest import read_newest
from latentknn.shards.sources import holds_codes_alone

_ERRORS = (OSError, ValueError, TypeError, ImportError)


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    group = typer.Typer(help="Write, verify and describe folders of shards.")
    group.command("write", help="Write files of codes to a folder of shards.")(_write)
    group.command("verify", help="Compare every byte of a folder with its digest.")(_verify)
    group.command("info", help="Say what a folder holds.")(_info)
    app.add_typer(group, name="shards")


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="of the shards")]


@deferred
def _write(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help=".npy, .fvecs, .parquet, .arrow or .h5 files")
    ],
    folder: Folder,
    codes: Annotated[str, typer.Option(metavar="COLUMN", help="the column of the codes")] = "codes",
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="the column of the labels; for .npy and .fvecs files, which have no columns, a .npy or text "
            "file of them",
        ),
    ] = None,
    ids: Annotated[str | None, typer.Option(metavar="COLUMN", help="the column of the ids")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="a column that is kept beside the codes; may be repeated"),
    ] = None,
    rows_per_shard: Annotated[
        int, typer.Option(metavar="N", parser=positive_integer, help="codes of a shard, at most")
    ] = 1 << 20,
    append: Annotated[
        bool, typer.Option("--append", metavar="", help="add to an index that is there")
    ] = False,
) -> None:
    without_columns = labels is not None and all(map(holds_codes_alone, files))
    with as_command_error(*_ERRORS):
        rows = lk.shards.write_files(
            folder,
            files,
            codes=codes,
            labels=None if without_columns else labels,
            ids=ids,
            metadata=metadata or (),
            label_array=read_labels(Path(str(labels))) if without_columns else None,
            rows_per_shard=rows_per_shard,
            append=append,
        )
        manifest = read_newest(folder)
    print(
        f"{rows:,} codes of {manifest.dim} dimensions are in {folder}, generation {manifest.generation}: "
        f"{manifest.rows:,} codes in {len(manifest.shards)} shards"
    )


@deferred
def _verify(folder: Folder) -> None:
    with as_command_error(*_ERRORS):
        manifest = lk.shards.verify(
            folder, lambda entry: print(f"{entry.file}: {entry.rows:,} codes are whole")
        )
    print(f"generation {manifest.generation} is whole: {manifest.rows:,} codes")


@deferred
def _info(folder: Folder) -> None:
    with as_command_error(*_ERRORS):
        manifest = read_newest(folder)
    classes = "none" if manifest.labels_dtype is None else manifest.labels_dtype
    print(f"generation {manifest.generation}: {manifest.rows:,} codes of {manifest.dim} dimensions")
    print(f"labels: {classes}; ids: {'their own' if manifest.own_ids else 'positions'}")
    rows = [("shard", "codes", "bytes", "digest")]
    rows += [(each.file, f"{each.rows:,}", f"{each.bytes:,}", each.digest[:16]) for each in manifest.shards]
    print(format_table(rows))
