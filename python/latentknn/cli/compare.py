"""``latentknn compare`` compares runs and evaluations of the same items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentknn.cli.answer_files import check_run, read_answers, short_names
from latentknn.cli.deferring import deferred
from latentknn.cli.errors import CommandError, as_command_error
from latentknn.cli.helping import paragraphs
from latentknn.cli.output_folder import check_output_folder
from latentknn.cli.table import format_table
from latentknn.progress import bar

if TYPE_CHECKING:
    from latentknn.evaluation import ComparedRuns

_HELP = """\
Compare runs and evaluations: which is better, and whether that tells.

They must have classified the same items in the same order; name the folders that 'latentknn run' or
'latentknn evaluate' wrote. Each pair is compared by McNemar's exact test: who is right where the other is
wrong. Runs of the same settings with several seeds are also summed up.
"""


def add_to(app: typer.Typer) -> None:
    """Add the command to the parser."""
    app.command("compare", help=paragraphs(_HELP))(_compare)


@deferred
def _compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs or evaluations")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="new or empty folder for the comparison as JSON, CSV and PNG"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="replace the comparison in DIR")
    ] = False,
) -> None:
    # Wrong arguments are refused before a heavy library is imported.
    if len(runs) < 2:
        raise CommandError("give at least two runs to compare")
    for run in runs:
        check_run(run)
    if out is not None:
        check_output_folder(out, out / "comparison.json", "comparison", overwrite=overwrite)

    from latentknn.evaluation import compare_runs

    with as_command_error(ValueError), bar("compare"):
        compared = compare_runs(
            [read_answers(run, name) for run, name in zip(runs, short_names(runs), strict=True)]
        )
    print(_tables(compared))
    if out is not None:
        from latentknn.cli.comparison_files import write_comparison

        with as_command_error(ImportError, OSError), bar("write comparison"):
            write_comparison(compared, out)
        print(f"\nComparison: {out}")


def _tables(compared: ComparedRuns) -> str:
    parts = [_accuracies(compared), _pairs(compared)]
    if compared.seeds:
        parts.append(_seeds(compared))
    # Among many runs, only what concerns the best one is said in words.
    best = compared.best.name
    parts.append(
        "\n".join(
            sentence
            for pair, sentence in zip(compared.pairs, compared.sentences(), strict=True)
            if best in (pair.first, pair.second)
        )
    )
    return "\n\n".join(parts)


def _accuracies(compared: ComparedRuns) -> str:
    rows = [("run", "vote", "items", "accuracy", "95 % interval")]
    for run in compared.runs:
        low, high = run.accuracy.interval()
        rows.append(
            (
                run.name,
                run.vote,
                f"{run.accuracy.total:,}",
                f"{run.accuracy.value:.4f}",
                f"{low:.4f} to {high:.4f}",
            )
        )
    return format_table(rows)


def _pairs(compared: ComparedRuns) -> str:
    header = ("run", "against", "only the first right", "only the second", "difference", "p", "p, corrected")
    rows = [header]
    for pair in compared.pairs:
        test = pair.test
        rows.append(
            (
                pair.first,
                pair.second,
                f"{test.only_first:,}",
                f"{test.only_second:,}",
                f"{test.difference:+.4f}",
                f"{test.p_value:.2g}",
                f"{pair.corrected:.2g}",
            )
        )
    return format_table(rows)


def _seeds(compared: ComparedRuns) -> str:
    rows = [("runs that differ by their seeds", "mean", "deviation", "lowest", "highest")]
    rows += [
        (
            ", ".join(seeds.runs),
            f"{seeds.mean:.4f}",
            f"{seeds.deviation:.4f}",
            f"{seeds.lowest:.4f}",
            f"{seeds.highest:.4f}",
        )
        for seeds in compared.seeds
    ]
    return format_table(rows)
