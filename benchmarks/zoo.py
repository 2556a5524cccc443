"""Trains every model and measures what its codes are worth to a cosine nearest neighbour.

A row that is there is not measured again, unless its recipe has changed.

    python benchmarks/zoo.py                    # everything: hours
    python benchmarks/zoo.py --only metric,triplet --data fashion_mnist
    python benchmarks/zoo.py --protocol seed    # prints the seeds' own way of measuring beside the honest one
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

import harness
import seed_protocol
import zoo_tables
from latentknn import datasets
from latentknn.evaluation import (
    CANDIDATES,
    Accuracy,
    Experiment,
    Neighbours,
    Stopwatch,
    Vote,
    VoteScore,
    best_vote,
    find_neighbours,
    find_neighbours_per_class,
    run_experiment,
    score_votes,
)
from recipes import DATA, RECIPES, Recipe

Row = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """The votes tried on held-out images, and the neighbours of the test images, searched after that."""

    vote_scores: tuple[VoteScore, ...]
    neighbours: Neighbours
    seconds: float  # to encode, search and classify the test images

    @property
    def vote(self) -> Vote:
        return best_vote(self.vote_scores)

    @property
    def held_out_accuracy(self) -> Accuracy:
        return max((score.accuracy for score in self.vote_scores), key=lambda accuracy: accuracy.value)


def measure(recipe: Recipe, data: str) -> Row:
    """Train a model, choose its vote on held-out images, and classify the test set."""
    # Imported here: a row runs in a process of its own, and the one that starts it needs no TensorFlow.
    from latentknn import models
    from latentknn.report.environment import describe_environment

    dataset = datasets.load(data)
    given = {"input_shape": dataset.image_shape, "seed": recipe.seed}
    if models.MODELS[recipe.model].uses_labels:
        given["num_classes"] = len(dataset.class_names)
    model = models.create(recipe.model, **given, **recipe.options_on(data))

    processor_seconds = {}
    stopwatch = Stopwatch(lambda stage: processor_seconds.setdefault(stage.name, time.process_time()))
    began = time.process_time()
    experiment = run_experiment(
        dataset,
        model,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        verbose=2,
        stopwatch=stopwatch,
    )
    training = stopwatch.stages[0]
    search = _search_per_class if "encode_per_class" in model.capabilities else _search
    found = search(experiment, stopwatch)

    def accuracy(vote: Vote) -> Row:
        right = found.neighbours.predict(vote) == dataset.test_labels
        return zoo_tables.describe(Accuracy(int(np.count_nonzero(right)), len(right)))

    return {
        "recipe": recipe.described(data),
        "uses_labels": model.uses_labels,
        "latent_dim": model.latent_dim,
        "parameters": model.count_params(),
        "training_seconds": training.seconds,
        "training_processor_seconds": processor_seconds[training.name] - began,
        "training_images": training.items,
        "classifying_seconds": found.seconds,
        "reconstruction_error": _reconstruction_error(experiment),
        "images_held_out": len(experiment.held_out),
        "vote": asdict(found.vote),
        "held_out": zoo_tables.describe(found.held_out_accuracy),
        "nearest": accuracy(Vote(1)),
        "chosen": accuracy(found.vote),
        "seed_protocol": seed_protocol.measure(found.neighbours, dataset.test_labels, recipe.seed),
        "pixels": zoo_tables.describe(experiment.pixels.accuracy),
        "history": experiment.history,
        "config": model.get_config(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": describe_environment(None),
    }


def _search(experiment: Experiment, stopwatch: Stopwatch) -> Search:
    """Take the votes of the experiment, and search again, untimed, as deep as the seed's protocol needs."""
    timed = ("encode test images", "search codes", "vote")
    seconds = sum(stage.seconds for stage in stopwatch.stages if stage.name.split(",")[0] in timed)
    depth = max(best_vote(experiment.vote_scores).k, seed_protocol.DEPTH)
    classes = len(experiment.dataset.class_names)
    neighbours = find_neighbours(experiment.index, experiment.test_codes, depth, classes)
    return Search(experiment.vote_scores, neighbours, seconds)


def _search_per_class(experiment: Experiment, stopwatch: Stopwatch) -> Search:
    """Encode each query under every class, and compare it with the codes of that class."""
    dataset, model, held_out = experiment.dataset, experiment.model, experiment.held_out
    images, labels = dataset.train_images, dataset.train_labels
    codes = model.encode(images, labels=labels)
    kept = np.delete(np.arange(len(labels)), held_out)
    queries = model.encode_per_class(images[held_out])
    deepest = max(vote.k for vote in CANDIDATES)
    scores = score_votes(
        find_neighbours_per_class(codes[kept], labels[kept], queries, deepest), labels[held_out]
    )
    with stopwatch.measure("classify", len(dataset.test_images), "images") as stage:
        depth = max(best_vote(scores).k, seed_protocol.DEPTH)
        queries = model.encode_per_class(dataset.test_images)
        neighbours = find_neighbours_per_class(codes, labels, queries, depth)
        neighbours.predict(best_vote(scores))
    return Search(scores, neighbours, stage.seconds)


def _reconstruction_error(experiment: Experiment) -> float | None:
    """Return the mean squared error of a pixel of the test images, from 0 to 1."""
    if "reconstruct" not in experiment.model.capabilities:
        return None
    images = experiment.dataset.test_images
    made = experiment.model.reconstruct(images)
    return float(np.square(made - images.reshape(made.shape) / np.float32(255)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="MODEL,...", help="models to measure; by default all")
    parser.add_argument("--data", default=",".join(DATA), metavar="NAME,...", help="data sets to measure on")
    parser.add_argument(
        "--protocol",
        choices=["honest", "seed"],
        default="honest",
        help="seed: print what 1,000 drawn test images would have said, beside the whole test set",
    )
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else [recipe.model for recipe in RECIPES]
    unknown = set(chosen) - {recipe.model for recipe in RECIPES}
    if unknown or not set(arguments.data.split(",")) <= set(DATA):
        parser.error(f"unknown: {', '.join(sorted(unknown)) or arguments.data}")

    for data in arguments.data.split(","):
        rows = zoo_tables.read_rows(data)
        for recipe in RECIPES:
            if recipe.model not in chosen or recipe.key in rows:
                continue
            print(f"{data}: {recipe.key}", flush=True)
            # TensorFlow's threads and memory end with the process.
            rows[recipe.key] = json.loads(json.dumps(harness.in_fresh_process(measure, recipe, data)))
            harness.write_json(f"zoo_{data}", rows)
            zoo_tables.write_page()
            print(zoo_tables.result_line(recipe, rows[recipe.key]), flush=True)
        if arguments.protocol == "seed":
            print(zoo_tables.protocol_table(rows))


if __name__ == "__main__":
    main()
