"""Trains every model and measures what its codes are worth to a cosine nearest neighbour.

A row that is there is not measured again, unless its recipe has changed.

    python -m benchmarks.zoo.measure                    # everything: hours
    python -m benchmarks.zoo.measure --only metric,triplet --data fashion_mnist
    python -m benchmarks.zoo.measure --protocol published    # prints the published way of measuring too
"""

import hashlib
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command_line import parser
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import CACHE, Record, write_json
from benchmarks.zoo import published_protocol, tables
from benchmarks.zoo.recipes import DATA, RECIPES, Recipe, choose_models, recipes_on
from benchmarks.zoo.rows import all_rows, read_rows
from latentknn import datasets
from latentknn.evaluation import Accuracy, Experiment, Stopwatch, find_neighbours, run_experiment


def model_file(recipe: Recipe, data: str) -> Path:
    """Return where a trained model is kept, in the user's cache; another recipe has another file."""
    digest = hashlib.sha256(json.dumps(recipe.described(), sort_keys=True).encode()).hexdigest()[:8]
    return CACHE / "zoo" / data / f"{recipe.file_name}-{digest}.keras"


def make_model(recipe: Recipe, dataset: datasets.Dataset) -> Any:
    """Return the untrained model of a recipe."""
    # The import stands here because each row has a process of its own; the first one needs no TensorFlow.
    from latentknn import models

    given = {"input_shape": dataset.image_shape, "seed": recipe.seed}
    if models.MODELS[recipe.model].uses_labels:
        given["num_classes"] = len(dataset.class_names)
    return models.create(recipe.model, **given, **recipe.options)


def train_and_classify(
    recipe: Recipe, dataset: datasets.Dataset, model: Any, stopwatch: Stopwatch
) -> Experiment:
    """Train a model by its recipe, choose its vote and classify the test set."""
    return run_experiment(
        dataset,
        model,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        verbose=2,
        record_samples=False,
        stopwatch=stopwatch,
    )


def measure(recipe: Recipe, data: str) -> Record:
    """Train a model, choose its vote on held-out images, and classify the test set."""
    from latentknn.report.environment import describe_environment

    dataset = datasets.load(data)
    model = make_model(recipe, dataset)
    processor_seconds = {}
    stopwatch = Stopwatch(lambda stage: processor_seconds.setdefault(stage.name, time.process_time()))
    began = time.process_time()
    experiment = train_and_classify(recipe, dataset, model, stopwatch)
    model_file(recipe, data).parent.mkdir(parents=True, exist_ok=True)
    model.save(model_file(recipe, data))
    training = stopwatch.stages[0]
    classifying = ("encode test images", "search codes", "vote")
    (chosen,) = (score for score in experiment.vote_scores if score.vote == experiment.chosen.vote)
    # Neighbours are searched once more, untimed, as many as the published protocol needs.
    neighbours = find_neighbours(
        experiment.index, experiment.test_queries, published_protocol.DEPTH, len(dataset.class_names)
    )

    return {
        "recipe": recipe.described(),
        "uses_labels": model.uses_labels,
        "latent_dim": model.latent_dim,
        "parameters": model.count_params(),
        "training_seconds": training.seconds,
        "training_processor_seconds": processor_seconds[training.name] - began,
        "training_images": training.items,
        "classifying_seconds": sum(
            stage.seconds for stage in stopwatch.stages if stage.name.split(",")[0] in classifying
        ),
        "reconstruction_error": _reconstruction_error(experiment),
        "images_held_out": len(experiment.held_out),
        "vote": asdict(experiment.chosen.vote),
        "held_out": _described(chosen.accuracy),
        "nearest": _described(experiment.nearest.accuracy),
        "chosen": _described(experiment.chosen.accuracy),
        "published_protocol": published_protocol.measure(neighbours, dataset.test_labels, recipe.seed),
        "pixels": _described(experiment.pixels.accuracy),
        "history": experiment.history,
        "config": model.get_config(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": describe_environment(None),
    }


def _described(accuracy: Accuracy) -> dict[str, float]:
    """Return an accuracy and its 95 % interval as JSON values."""
    low, high = accuracy.interval()
    return {
        "correct": accuracy.correct,
        "total": accuracy.total,
        "value": accuracy.value,
        "low": low,
        "high": high,
    }


def _reconstruction_error(experiment: Experiment) -> float | None:
    """Return the mean squared error of a pixel of the test images, from 0 to 1."""
    if "reconstruct" not in experiment.model.capabilities:
        return None
    images = experiment.dataset.test_images
    made = experiment.model.reconstruct(images)
    return float(np.square(made - images.reshape(made.shape) / np.float32(255)).mean())


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", default="", metavar="MODEL,...", help="models to measure; by default all")
    options.add_argument("--data", default=",".join(DATA), metavar="NAME,...", help="data sets to measure on")
    options.add_argument(
        "--protocol",
        choices=["honest", "published"],
        default="honest",
        help="published: print what 1,000 drawn test images would have said, beside the whole test set",
    )
    arguments = options.parse_args()
    chosen = choose_models(options, arguments.only, RECIPES)
    if not set(arguments.data.split(",")) <= set(DATA):
        options.error(f"unknown: {arguments.data}")

    for data in arguments.data.split(","):
        for recipe in recipes_on(data):
            if recipe.model not in chosen or recipe.key in read_rows(data):
                continue
            print(f"{data}: {recipe.key}", flush=True)
            # TensorFlow's threads and memory end with the process.
            row = json.loads(json.dumps(in_fresh_process(measure, recipe, data)))
            # The rows are read again, because another process may have measured some meanwhile.
            write_json(f"zoo_{data}", {**all_rows(data), recipe.key: row})
            tables.write_page()
            print(tables.result_line(recipe, row), flush=True)
        if arguments.protocol == "published":
            print(tables.protocol_table(read_rows(data)))


if __name__ == "__main__":
    main()
