"""What a notebook shows of an experiment and of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from latentknn.datasets import Dataset
from latentknn.encoders import name_of
from latentknn.evaluation.accuracy import Accuracy
from latentknn.notebook.pictures import picture_strip
from latentknn.notebook.tables import facts_table, paragraphs, rows_table, together

if TYPE_CHECKING:
    from latentknn.evaluation.code_evaluation import CodeEvaluation
    from latentknn.evaluation.experiment import Experiment

_ERRORS_SHOWN = 8
_PAIRS_SHOWN = 5
_ACCURACY_COLUMNS = ["classified by", "vote", "accuracy", "95 % interval", "wrong"]


def experiment_text(experiment: Experiment) -> str:
    """Return one line about an experiment."""
    return (
        f"Experiment({experiment.dataset.name!r}, {name_of(experiment.model)}, "
        f"{experiment.epochs} epochs, accuracy {experiment.chosen.accuracy.value:.4f} "
        f"of {experiment.chosen.accuracy.total:,} test {experiment.dataset.unit} by {experiment.chosen.vote})"
    )


def experiment_html(experiment: Experiment) -> str:
    """Return the accuracies of an experiment as a table, and some of what is classified wrongly."""
    dataset = experiment.dataset
    facts = {
        "data": dataset.name,
        "encoder": name_of(experiment.model),
        "epochs": experiment.epochs,
        "codes": f"{len(experiment.index):,} × {experiment.index.dim:,}",
        f"test {dataset.unit}": f"{len(dataset.test_labels):,}",
    }
    rows = [
        _accuracy_row(name, str(result.vote), result.accuracy) for name, result in experiment.results.items()
    ]
    return together(
        facts_table("Experiment", facts), rows_table("", _ACCURACY_COLUMNS, rows), _errors(experiment)
    )


def evaluation_text(evaluation: CodeEvaluation) -> str:
    """Return one line about an evaluation."""
    return (
        f"CodeEvaluation({evaluation.voted.total:,} {_items(evaluation)} among {evaluation.codes:,} codes of "
        f"{evaluation.dim:,} dimensions, accuracy {evaluation.voted.value:.4f} by {evaluation.vote})"
    )


def evaluation_html(evaluation: CodeEvaluation) -> str:
    """Return the accuracies of an evaluation as a table, its summary, and the most confused pairs."""
    rows = [
        _accuracy_row("vote", str(evaluation.vote), evaluation.voted),
        _accuracy_row("nearest code", "", evaluation.nearest),
        _accuracy_row("always the commonest class", "", evaluation.commonest),
    ]
    title = (
        f"{evaluation.voted.total:,} {_items(evaluation)} among {evaluation.codes:,} codes of "
        f"{evaluation.dim:,} dimensions"
    )
    pairs = [(each.truth, each.predicted, each.count) for each in evaluation.confused]
    return together(
        rows_table(title, _ACCURACY_COLUMNS, rows),
        paragraphs(evaluation.summary().splitlines()),
        _confused(pairs),
    )


def _items(evaluation: CodeEvaluation) -> str:
    return "test items" if evaluation.protocol == "test" else "codes, each left out once,"


def _accuracy_row(name: str, vote: str, accuracy: Accuracy) -> list[object]:
    low, high = accuracy.interval()
    wrong = f"{accuracy.total - accuracy.correct:,} of {accuracy.total:,}"
    return [name, vote, f"{accuracy.value:.4f}", f"{low:.4f} to {high:.4f}", wrong]


def _confused(pairs: Sequence[Iterable[object]]) -> str:
    if not pairs:
        return ""
    more = len(pairs) - _PAIRS_SHOWN
    left_out = f"… and {more:,} more pairs" if more > 0 else ""
    return rows_table(
        "Confused most often", ["class", "taken for", "items"], [[*pair] for pair in pairs[:_PAIRS_SHOWN]],
        left_out=left_out,
    )  # fmt: skip


def _errors(experiment: Experiment) -> str:
    """Return the first test items whose predicted class is wrong, as pictures if they are images."""
    result, dataset = experiment.chosen, experiment.dataset
    first = np.flatnonzero(result.predictions != result.truth)[:_ERRORS_SHOWN]
    if len(first) == 0:
        return ""
    names = dataset.class_names
    rows: list[list[object]] = [
        [position, names[int(result.truth[position])], names[int(result.predictions[position])]]
        for position in first.tolist()
    ]
    columns = ["test item", "class", "taken for"]
    if isinstance(dataset, Dataset):
        columns.append("")
        for row, position in zip(rows, first.tolist(), strict=True):
            picture = picture_strip(dataset.test_images[[position]], f"test image {position}")
            row.append(picture or "")
    more = int(np.count_nonzero(result.predictions != result.truth)) - len(first)
    return rows_table(
        "Wrong by the chosen vote", columns, rows, left_out=f"… and {more:,} more" if more > 0 else ""
    )
