"""``latentknn evaluate`` measures codes that are in files, and writes what it found."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentknn.cli.code_files import CodeFiles
from latentknn.cli.deferring import deferred
from latentknn.cli.errors import CommandError, as_command_error
from latentknn.cli.evaluation_folder import EvaluationFolder
from latentknn.cli.helping import paragraphs
from latentknn.cli.names import choice, completing
from latentknn.cli.numbers import positive_integer, share
from latentknn.cli.page_files import PageFiles, PagePaths
from latentknn.cli.quietness import import_umap
from latentknn.engines import NAMES
from latentknn.progress import bar

if TYPE_CHECKING:
    from latentknn.evaluation import CodeEvaluation, Stopwatch

_HELP = """\
Measure exactly what codes are worth to their neighbours, and find what is wrong with them or their labels.

Codes are an array of shape (n, d) in a .npy file, whoever made them. Labels are an array of n strings or
whole numbers in a .npy file, or a text file with a label in each line.
"""

WEIGHTS = ("uniform", "similarity", "softmax")
"""The weights of a vote; their module imports scikit-learn."""

_ENGINES = ("auto", *NAMES)
_EXPORTS = ("tensorboard", "atlas")
_DATA, _MEASURES, _OUTPUT, _PAGE = "Data", "Measures", "Output", "Page"
"""Headings of the options."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    short = "Measure any codes, and find what is wrong with them."
    app.command("evaluate", help=paragraphs(_HELP), short_help=short)(_evaluate)


@deferred
def _evaluate(
    codes: Annotated[Path, typer.Argument(help="the codes (.npy)")],
    labels: Annotated[Path, typer.Argument(help="their labels (.npy, or text)")],
    test: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="CODES LABELS", help="test items to classify by the codes", rich_help_panel=_DATA
        ),
    ] = None,
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out",
            metavar="",
            help="classify every code by all others; what is done without --test",
            rich_help_panel=_DATA,
        ),
    ] = False,
    neighbours: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            parser=positive_integer,
            help="neighbours that vote; default: 10",
            rich_help_panel=_MEASURES,
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            metavar="|".join(WEIGHTS),
            parser=choice(*WEIGHTS),
            help="weights of their votes",
            autocompletion=completing(lambda: WEIGHTS),
            rich_help_panel=_MEASURES,
        ),
    ] = "uniform",
    duplicates_above: Annotated[
        float,
        typer.Option(
            metavar="X",
            parser=share,
            help="similarity from which on codes are near-duplicates",
            rich_help_panel=_MEASURES,
        ),
    ] = 0.999,
    engine: Annotated[
        str,
        typer.Option(
            metavar="|".join(_ENGINES),
            parser=choice(*_ENGINES),
            help="what searches",
            autocompletion=completing(lambda: _ENGINES),
            rich_help_panel=_MEASURES,
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=positive_integer,
            help="default: every processor that may be used",
            rich_help_panel=_MEASURES,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="new or empty folder", rich_help_panel=_OUTPUT)
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", metavar="", help="replace the evaluation in DIR", rich_help_panel=_OUTPUT
        ),
    ] = False,
    export: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(_EXPORTS),
            parser=choice(*_EXPORTS),
            help="also write the codes for TensorBoard's embedding projector, or Parquet for Embedding "
            "Atlas; may be repeated",
            autocompletion=completing(lambda: _EXPORTS),
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            metavar="",
            help="also write page.html, which a browser shows without a network",
            rich_help_panel=_PAGE,
        ),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="pictures of what is classified, which is the test items with --test: shape (n, h, w) or "
            "(n, h, w, c) (.npy)",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    neighbour_images: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="with --test: pictures of the codes (.npy)", rich_help_panel=_PAGE),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="texts instead of pictures (.npy, or a text in each line)",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    neighbour_texts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="with --test: texts of the codes", rich_help_panel=_PAGE),
    ] = None,
    reconstructions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="what a decoder makes of the codes, of the shape of --images (.npy)",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="images that a model generated (.npy)", rich_help_panel=_PAGE),
    ] = None,
) -> None:
    # What is wrong is told before a heavy library is imported, and before anything is written.
    if out is None:
        raise CommandError("give a new or empty folder by --out DIR")
    if test is not None and leave_one_out:
        raise CommandError("argument --leave-one-out: not allowed with argument --test")
    folder, exports = EvaluationFolder(out), export or []
    folder.check(overwrite=overwrite)
    if "atlas" in exports and find_spec("pyarrow") is None:
        raise CommandError('--export atlas needs pyarrow; install it with: pip install "latentknn[tables]"')
    paths = PagePaths(images, neighbour_images, texts, neighbour_texts, reconstructions, samples)
    named = [name for name, path in vars(paths).items() if path is not None]
    if named and not page:
        raise CommandError(f"--{named[0].replace('_', '-')} is for a page; pass --page too")
    files = CodeFiles.read(codes, labels, test, neighbours)
    looks = PageFiles.read(paths, files) if page else None

    from latentknn.cli.evaluation_tables import tables
    from latentknn.evaluation import Stopwatch, Vote, evaluate
    from latentknn.evaluation.evaluating import VOTERS

    vote, stopwatch = Vote(neighbours or min(VOTERS, files.available), weights), Stopwatch(show=bar)
    with as_command_error(ImportError, OSError, RuntimeError, TypeError, ValueError):
        evaluation = evaluate(
            files.codes,
            files.labels,
            test=files.test,
            vote=vote,
            duplicates_above=duplicates_above,
            engine=engine,
            threads=threads,
            stopwatch=stopwatch,
        )
        folder.prepare()
        with stopwatch.measure("write files", len(evaluation.items), "items"):
            _export(evaluation, files, folder, exports, threads)
        if looks is not None:
            _write_page(evaluation, files, looks, folder, f"Evaluation of {codes.stem}", stopwatch)
        # The results are written last, so that a folder that has them is whole.
        evaluation.save(folder.results)
    print(tables(evaluation))
    print(f"\n{evaluation.summary()}\n\nResults: {folder.path}")


def _export(
    evaluation: CodeEvaluation,
    files: CodeFiles,
    folder: EvaluationFolder,
    exports: list[str],
    threads: int | None,
) -> None:
    from latentknn.exporters import CodeTable, write_atlas, write_items, write_projector

    write_items(evaluation, folder.items)
    if exports:
        table = CodeTable.of(evaluation, files.codes, files.labels, files.test)
        if "tensorboard" in exports:
            write_projector(table, folder.projector)
        if "atlas" in exports:
            write_atlas(table, folder.atlas, threads=threads)


def _write_page(
    evaluation: CodeEvaluation,
    files: CodeFiles,
    looks: PageFiles,
    folder: EvaluationFolder,
    title: str,
    stopwatch: Stopwatch,
) -> None:
    from latentknn.pages import write_page
    from latentknn.pages.placing import placed_by_umap

    items = files.codes if files.test is None else files.test[0]
    if placed_by_umap(len(items)):
        import_umap()
    write_page(evaluation, folder.page, codes=items, title=title, stopwatch=stopwatch, **vars(looks))
