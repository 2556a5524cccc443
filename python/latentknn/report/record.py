"""The record of an experiment, in JSON values."""

import datetime
from collections.abc import Sequence
from typing import Any

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
    dataset, model = experiment.dataset, experiment.model
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "dataset": {
            "name": dataset.name,
            "training_images": len(dataset.train_images),
            "test_images": len(dataset.test_images),
            "image_shape": dataset.image_shape,
            "class_names": dataset.class_names,
        },
        "model": {
            "name": model.registry_name,
            "latent_dim": model.latent_dim,
            "parameters": model.count_params(),
            "config": model.get_config(),
        },
        "training": {
            "epochs": experiment.epochs,
            "batch_size": experiment.batch_size,
            "seed": experiment.seed,
            "images_trained_on": len(dataset.train_images) - len(experiment.held_out),
            "images_held_out": len(experiment.held_out),
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
            "chosen_on": "the held-out training images",
            "chosen": _vote(experiment.chosen.vote),
            "candidates": [
                {**_vote(score.vote), "accuracy": score.accuracy.value} for score in experiment.vote_scores
            ],
        },
        "results": {
            "pixels": _result(experiment.pixels),
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
