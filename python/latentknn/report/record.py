"""The record of an experiment, in JSON values."""

import datetime
from collections.abc import Sequence
from typing import Any

from latentknn.datasets import Dataset
from latentknn.encoders import TrainableEncoder, name_of
from latentknn.evaluation import Classification, Comparison, Experiment, Stage, Vote, compare_results
from latentknn.report.environment import describe_environment


def make_record(experiment: Experiment, stages: Sequence[Stage]) -> dict[str, Any]:
    """Return the settings, results and times of an experiment as JSON values.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    stages : sequence of Stage
        The stages of the experiment and of the report, with their times.
    """
    dataset = experiment.dataset
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "dataset": {
            "name": dataset.name,
            f"training_{dataset.unit}": len(dataset.train_items),
            f"test_{dataset.unit}": len(dataset.test_items),
            **({"image_shape": dataset.image_shape} if isinstance(dataset, Dataset) else {}),
            "class_names": dataset.class_names,
        },
        "model": _model(experiment),
        "training": {
            "epochs": experiment.epochs,
            "best_epoch": experiment.best_epoch,
            "batch_size": experiment.batch_size,
            "seed": experiment.seed,
            f"{dataset.unit}_trained_on": 0
            if experiment.epochs == 0
            else len(dataset.train_items) - len(experiment.held_out),
            f"{dataset.unit}_held_out": len(experiment.held_out),
            "history": experiment.history,
        },
        "index": {
            "codes": len(experiment.index),
            "dim": experiment.index.dim,
            "engine": experiment.index.engine,
            "strategy": experiment.index.strategy,
            "isa": experiment.index.isa,
            "exact": experiment.index.exact,
        },
        "choice": {
            "chosen_on": f"the held-out training {dataset.unit}",
            "chosen": _vote(experiment.chosen.vote),
            "candidates": [
                {**_vote(score.vote), "accuracy": score.accuracy.value} for score in experiment.vote_scores
            ],
        },
        "results": {
            **({} if experiment.pixels is None else {"pixels": _result(experiment.pixels)}),
            "nearest": _result(experiment.nearest),
            "chosen": _result(experiment.chosen),
        },
        "comparisons": [_comparison(each) for each in compare_results(experiment)],
        "stages": [
            {"name": stage.name, "items": stage.items, "unit": stage.unit, "seconds": stage.seconds}
            for stage in stages
        ],
        "environment": describe_environment(experiment.threads),
    }


def _model(experiment: Experiment) -> dict[str, Any]:
    encoder = experiment.model
    known = {"name": name_of(encoder), "latent_dim": experiment.index.dim}
    if not isinstance(encoder, TrainableEncoder):
        return known
    return {**known, "parameters": encoder.count_params(), "config": encoder.get_config()}


def _vote(vote: Vote) -> dict[str, Any]:
    values: dict[str, Any] = {"k": vote.k, "weights": vote.weights}
    if vote.weights == "softmax":
        values["temperature"] = vote.temperature
    return values


def _result(classification: Classification) -> dict[str, Any]:
    accuracy = classification.accuracy
    return {
        **_vote(classification.vote),
        "correct": accuracy.correct,
        "total": accuracy.total,
        "accuracy": accuracy.value,
        "accuracy_interval_95": accuracy.interval(),
        "classification_report": classification.report(),
        "confusion_matrix": classification.confusion_matrix().tolist(),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    test = comparison.test
    return {
        "first": comparison.first,
        "second": comparison.second,
        "only_first": test.only_first,
        "only_second": test.only_second,
        "difference": test.difference,
        "difference_interval_95": test.difference_interval(),
        "p_value": test.p_value,
        "sentence": comparison.sentence,
    }
