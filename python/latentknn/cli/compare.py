"""``latentknn compare`` compares runs and evaluations of the same items."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentknn.cli.answer_files import check_run, read_answers, short_names
from latentknn.cli.errors import CommandError, as_command_error
from latentknn.cli.output_folder import check_output_folder
from latentknn.cli.table import format_table

if TYPE_CHECKING:
    from latentknn.evaluation import ComparedRuns

_DESCRIPTION = """\
Compare runs that classified the same items in the same order: folders that
'latentknn run' or 'latentknn evaluate' wrote.

Each pair is compared by McNemar's exact test: who is right where the other is
wrong. Runs of the same settings with several seeds are also summed up.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="compare runs and evaluations, and say which is better and whether that tells",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_compare)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a run or an evaluation")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="new or empty folder for the comparison as JSON, CSV and PNG"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the comparison in DIR")


def _compare(arguments: argparse.Namespace) -> None:
    # Wrong arguments are refused before a heavy library is imported.
    if len(arguments.runs) < 2:
        raise CommandError("give at least two runs to compare")
    for run in arguments.runs:
        check_run(run)
    if arguments.out is not None:
        last = arguments.out / "comparison.json"
        check_output_folder(arguments.out, last, "comparison", overwrite=arguments.overwrite)

    from latentknn.evaluation import compare_runs

    with as_command_error(ValueError):
        compared = compare_runs(
            [
                read_answers(run, name)
                for run, name in zip(arguments.runs, short_names(arguments.runs), strict=True)
            ]
        )
    print(_tables(compared))
    if arguments.out is not None:
        from latentknn.cli.comparison_files import write_comparison

        with as_command_error(ImportError, OSError):
            write_comparison(compared, arguments.out)
        print(f"\nComparison: {arguments.out}")


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
