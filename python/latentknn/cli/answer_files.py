"""What runs and evaluations answered, read from their folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentknn.cli.errors import CommandError
from latentknn.cli.evaluation_folder import EvaluationFolder
from latentknn.report import RunFolder

if TYPE_CHECKING:
    from latentknn.evaluation import Answers


def check_run(path: Path) -> None:
    """Raise CommandError unless a folder holds a finished run or an evaluation."""
    if not path.is_dir():
        raise CommandError(
            f"{path} is no folder; name folders that latentknn run or latentknn evaluate wrote"
        )
    record, results = RunFolder(path).record, EvaluationFolder(path).results
    if not (results.exists() or record.exists()):
        raise CommandError(
            f"{path} holds neither a finished run ({record.name}) nor an evaluation ({results.name})"
        )


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of folders, or their paths if two have the same name."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def read_answers(path: Path, name: str) -> Answers:
    """Read what a run or an evaluation answered; the answers get the name.

    Raises
    ------
    CommandError
        If a file is missing or damaged.
    """
    if EvaluationFolder(path).results.exists():
        return _of_evaluation(path, name)
    from safetensors import SafetensorError

    try:
        return _of_run(path, name)
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise CommandError(f"{path} holds no readable run: {error!r}") from error


def _of_evaluation(path: Path, name: str) -> Answers:
    from latentknn.evaluation import Answers, CodeEvaluation

    try:
        evaluation = CodeEvaluation.load(EvaluationFolder(path).results)
    except ValueError as error:
        raise CommandError(error) from error
    names, items = evaluation.class_names, evaluation.items
    return Answers(
        name=name,
        labels=[names[number] for number in items.classes.tolist()],
        predictions=[names[number] for number in items.predictions.tolist()],
        vote=str(evaluation.vote),
        settings=str(path),
    )


def _of_run(path: Path, name: str) -> Answers:
    from safetensors.numpy import load_file

    from latentknn.evaluation import Answers, Vote

    folder = RunFolder(path)
    record: dict[str, Any] = json.loads(folder.record.read_text(encoding="utf-8"))
    answers = load_file(folder.test_codes)
    names = record["dataset"]["class_names"]
    training = record["training"]
    config = {
        option: value for option, value in record["model"]["config"].items() if option not in ("name", "seed")
    }
    same = (record["dataset"], record["model"]["name"], config, training["epochs"], training["batch_size"])
    return Answers(
        name=name,
        labels=[names[number] for number in answers["labels"].tolist()],
        predictions=[names[number] for number in answers["chosen"].tolist()],
        vote=str(Vote(**record["choice"]["chosen"])),
        settings=json.dumps(same, sort_keys=True),
        seed=training["seed"],
        history=training["history"],
    )
