"""Times the rows of the zoo on all processors: one epoch of each, and all else.

    python -m benchmarks.zoo.row_times        # a quarter of an hour; writes a table into zoo.md
    python -m benchmarks.zoo.row_times --only conv_ae,triplet       # those anew

The whole row takes as many times the epoch, and all else once. Rows of other seeds do the same work, those of
MNIST the same or less, by shorter trainings.
"""

import time
from dataclasses import replace
from typing import Any

from benchmarks.harness.command_line import parser
from benchmarks.harness.processes import in_fresh_process
from benchmarks.harness.results import write_json
from benchmarks.zoo import tables
from benchmarks.zoo.measure import make_model, train_and_classify
from benchmarks.zoo.recipes import Recipe, choose_models, recipes_on
from benchmarks.zoo.rows import read_row_times
from latentknn import datasets
from latentknn.evaluation import Stopwatch

DATA = "fashion_mnist"
# The first of the two phases of `finetuned` takes one epoch too.
ONE_EPOCH = {"finetuned": {"pretraining_epochs": 1}}


def measure(recipe: Recipe) -> dict[str, Any]:
    """Return the seconds of an epoch and of all else, and the minutes of the whole row."""
    options = {**recipe.options, **ONE_EPOCH.get(recipe.model, {})}
    short = replace(recipe, epochs=1, options=options)
    began = time.perf_counter()
    dataset, stopwatch = datasets.load(DATA), Stopwatch()
    train_and_classify(short, dataset, make_model(short, dataset), stopwatch)
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

    options = parser(__doc__)
    options.add_argument("--only", default="", metavar="MODEL,...", help="models to time; by default all")
    arguments = options.parse_args()
    recipes = [recipe for recipe in recipes_on(DATA) if recipe.seed == 0]
    chosen = choose_models(options, arguments.only, recipes)

    about = describe_environment(None)
    machine = {key: about[key] for key in ("cpu", "instruction_set", "threads")}
    known = read_row_times()
    for recipe in recipes:
        if recipe.model in chosen:
            known[recipe.key] = {**in_fresh_process(measure, recipe), "environment": machine}
            print(f"{recipe.key}: {known[recipe.key]}", flush=True)
    rows = {recipe.key: known[recipe.key] for recipe in recipes if recipe.key in known}
    write_json("row_times", rows)
    tables.write_page()


if __name__ == "__main__":
    main()
