"""Times the rows of the zoo on all processors: one epoch of each, and all else.

    python benchmarks/row_times.py        # a quarter of an hour; writes a table into zoo.md

The whole row takes as many times the epoch, and all else once. Rows of other seeds and of MNIST do the same
work, but for `metric`, which is trained for fewer epochs on MNIST.
"""

import time
from dataclasses import replace
from typing import Any

import harness
import zoo
import zoo_tables
from latentknn import datasets
from latentknn.evaluation import Stopwatch
from recipes import Recipe, recipes_on

DATA = "fashion_mnist"
# Both phases of `finetuned` are as long.
ONE_EPOCH = {"finetuned": {"pretraining_epochs": 1}}


def measure(recipe: Recipe) -> dict[str, Any]:
    """Return the seconds of an epoch and of all else, and the minutes of the whole row."""
    options = {**recipe.options, **ONE_EPOCH.get(recipe.model, {})}
    short = replace(recipe, epochs=1, options=options)
    began = time.perf_counter()
    dataset, stopwatch = datasets.load(DATA), Stopwatch()
    zoo.train_and_classify(short, dataset, zoo.make_model(short, dataset), stopwatch)
    took = time.perf_counter() - began
    epoch = stopwatch.stages[0].seconds
    return {
        "epochs": recipe.epochs,
        "epoch_seconds": epoch,
        "other_seconds": took - epoch,
        "minutes": (took + (recipe.epochs - 1) * epoch) / 60,
    }


def main() -> None:
    from latentknn.report.environment import describe_environment

    about = describe_environment(None)
    rows: dict[str, Any] = {}
    for recipe in recipes_on(DATA):
        if recipe.seed == 0:
            rows[recipe.key] = harness.in_fresh_process(measure, recipe)
            print(f"{recipe.key}: {rows[recipe.key]}", flush=True)
    harness.write_json("row_times", {"about": about, "rows": rows})
    zoo_tables.write_page()


if __name__ == "__main__":
    main()
