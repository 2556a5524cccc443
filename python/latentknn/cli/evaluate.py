"""``latentknn evaluate`` measures codes that are in files, and writes what it found."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentknn.cli import page_files
from latentknn.cli.code_files import CodeFiles
from latentknn.cli.errors import CommandError, as_command_error
from latentknn.cli.evaluation_folder import EvaluationFolder
from latentknn.cli.numbers import positive_integer, share
from latentknn.cli.page_files import PageFiles
from latentknn.engines import NAMES

if TYPE_CHECKING:
    from latentknn.evaluation import CodeEvaluation

_DESCRIPTION = """\
Measure exactly what codes are worth to their nearest neighbours, and find what
is wrong with them or with their labels.

Codes are an array of shape (n, d) in a .npy file, whoever made them. Labels are
an array of n strings or whole numbers in a .npy file, or a text file with a
label in each line.
"""

WEIGHTS = ("uniform", "similarity", "softmax")
"""The weights of a vote; their module imports scikit-learn."""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure any codes, and find what is wrong with them",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_evaluate)

    data = parser.add_argument_group("data")
    data.add_argument("codes", type=Path, help="the codes (.npy)")
    data.add_argument("labels", type=Path, help="their labels (.npy, or text)")
    protocol = data.add_mutually_exclusive_group()
    protocol.add_argument(
        "--test", nargs=2, type=Path, metavar=("CODES", "LABELS"), help="test items to classify by the codes"
    )
    protocol.add_argument(
        "--leave-one-out",
        action="store_true",
        help="classify every code by all others; what is done without --test",
    )

    measures = parser.add_argument_group("measures")
    measures.add_argument(
        "--neighbours", type=positive_integer, metavar="K", help="neighbours that vote; default: 10"
    )
    measures.add_argument(
        "--weights", choices=WEIGHTS, default="uniform", help="weights of their votes; default: %(default)s"
    )
    measures.add_argument(
        "--duplicates-above",
        type=share,
        default=0.999,
        metavar="X",
        help="similarity from which on codes are near-duplicates; default: %(default)s",
    )
    measures.add_argument(
        "--engine", choices=("auto", *NAMES), default="auto", help="what searches; default: %(default)s"
    )
    measures.add_argument(
        "--threads", type=positive_integer, metavar="N", help="default: every processor that may be used"
    )

    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    output.add_argument("--overwrite", action="store_true", help="replace the evaluation in DIR")
    output.add_argument(
        "--export",
        choices=("tensorboard", "atlas"),
        action="append",
        default=[],
        help="also write the codes for TensorBoard's embedding projector, or Parquet for Embedding Atlas; "
        "may be repeated",
    )
    page_files.add_to(parser)


def _evaluate(arguments: argparse.Namespace) -> None:
    # Wrong arguments are refused before a heavy library is imported, and before anything is written.
    folder = EvaluationFolder(arguments.out)
    folder.check(overwrite=arguments.overwrite)
    if "atlas" in arguments.export and find_spec("pyarrow") is None:
        raise CommandError('--export atlas needs pyarrow; install it with: pip install "latentknn[tables]"')
    files = CodeFiles.read(arguments.codes, arguments.labels, arguments.test, arguments.neighbours)
    page = PageFiles.read(arguments, files)

    from latentknn.cli.evaluation_tables import tables
    from latentknn.evaluation import Vote, evaluate
    from latentknn.evaluation.evaluating import VOTERS

    vote = Vote(arguments.neighbours or min(VOTERS, files.available), arguments.weights)
    with as_command_error(ImportError, OSError, RuntimeError, TypeError, ValueError):
        evaluation = evaluate(
            files.codes,
            files.labels,
            test=files.test,
            vote=vote,
            duplicates_above=arguments.duplicates_above,
            engine=arguments.engine,
            threads=arguments.threads,
        )
        _write(evaluation, files, page, folder, arguments)
    print(tables(evaluation))
    print(f"\n{evaluation.summary()}\n\nResults: {folder.path}")


def _write(
    evaluation: CodeEvaluation,
    files: CodeFiles,
    page: PageFiles | None,
    folder: EvaluationFolder,
    arguments: argparse.Namespace,
) -> None:
    from latentknn.exporters import CodeTable, write_atlas, write_items, write_projector

    folder.prepare()
    write_items(evaluation, folder.items)
    if arguments.export:
        table = CodeTable.of(evaluation, files.codes, files.labels, files.test)
        if "tensorboard" in arguments.export:
            write_projector(table, folder.projector)
        if "atlas" in arguments.export:
            write_atlas(table, folder.atlas, threads=arguments.threads)
    if page is not None:
        from latentknn.pages import write_page

        items = files.codes if files.test is None else files.test[0]
        title = f"Evaluation of {arguments.codes.stem}"
        write_page(evaluation, folder.page, codes=items, title=title, **vars(page))
    # The results are written last, so that a folder that has them is whole.
    evaluation.save(folder.results)
