"""Writes the tables of benchmarks/zoo.md, between its markers, from results/zoo_*.json.

python -m benchmarks.zoo.tables
"""

import math
import statistics
from typing import Any

from scipy import stats

from benchmarks.harness.markdown import NOTHING, replace_generated_part, table
from benchmarks.harness.paths import RESULTS, ROOT
from benchmarks.harness.results import Record, read_json
from benchmarks.zoo.recipes import DATA, Recipe, recipes_on
from benchmarks.zoo.rows import Rows, read_row_times, read_rows
from latentknn.datasets.published import PUBLISHED

PAGE = ROOT / "benchmarks" / "zoo.md"
WRITER = "zoo/tables.py"

_ACCURACIES = ("nearest", "chosen")

_TITLES = {"fashion_mnist": "Fashion-MNIST", "mnist": "MNIST"}
_RESULT_COLUMNS = [
    "model",
    "labels",
    "d",
    "1-NN",
    "vote, chosen on held-out images",
    "its accuracy",
    "squared error of a pixel",
    "trained for, processor s",
    "10,000 images, s",
]
_TRAINING_COLUMNS = [
    "model",
    "parameters",
    "epochs",
    "images a processor s",
    "trained on",
    "changes",
    "loss of held-out images",
    "published, and how it was measured",
]
_ROW_TIME_COLUMNS = ["model", "an epoch, s", "epochs", "all else, s", "row, minutes", "measured on"]
_GENERATED_COLUMNS = [
    "images",
    *PUBLISHED["fashion_mnist"].class_names,
    "Fréchet distance to test images",
    "similarity to training images",
    "to each other",
]
_SEEDS_COLUMNS = ["model", "seeds", "1-NN, mean", "chosen vote, mean"]
_PROTOCOL_COLUMNS = ["model", "whole test set, 1-NN", "1,000 drawn, no copies", "95 % of such draws"]


def result_line(recipe: Recipe, row: Record) -> str:
    """Say in one line what came out."""
    return f"{recipe.key}: 1-NN {_interval(row['nearest'])}, {_vote(row)} {_interval(row['chosen'])}"


def results_table(data: str, rows: Rows) -> str:
    """Say what the codes of every model are worth, in the order of the recipes."""
    lines = [_baseline(next(iter(rows.values())))]
    for recipe in recipes_on(data):
        if recipe.key in rows:
            lines.append(_result(recipe, rows[recipe.key]))
        elif data in recipe.unmeasured:
            lines.append(_cells({"model": recipe.key, "1-NN": "not measured yet"}))
    return table(_RESULT_COLUMNS, lines)


def recipes_table(data: str, rows: Rows) -> str:
    """Say how the models were trained, and what was published about them."""
    recipes = {recipe.key: recipe for recipe in recipes_on(data)}
    return table(_TRAINING_COLUMNS, (_training(recipes[key], row, data) for key, row in rows.items()))


def seeds_table(data: str, rows: Rows) -> str:
    """Say how far models trained with several seeds differ; empty if there are none."""
    of_model: dict[str, list[Record]] = {}
    for recipe in recipes_on(data):
        if recipe.key in rows:
            of_model.setdefault(recipe.key.rsplit(", ", 1)[0], []).append(rows[recipe.key])
    lines = [
        [name, str(len(several)), *(_mean([row[kind]["value"] for row in several]) for kind in _ACCURACIES)]
        for name, several in of_model.items()
        if len(several) > 1
    ]
    return table(_SEEDS_COLUMNS, lines) if lines else ""


def protocol_table(rows: Rows) -> str:
    """Set the published way of measuring beside the honest one."""
    return table(
        _PROTOCOL_COLUMNS,
        (
            [
                key,
                f"{row['nearest']['value']:.4f}",
                f"{row['published_protocol']['accuracy']:.3f}",
                "{low:.3f}–{high:.3f}".format(**row["published_protocol"]),
            ]
            for key, row in rows.items()
        ),
    )


def all_tables() -> str:
    """Return the tables of every data set that there are results for, as Markdown."""
    parts = []
    for data in DATA:
        rows = read_rows(data)
        if rows:
            parts += [f"### {_TITLES[data]}", results_table(data, rows), "How they were trained:"]
            parts += [recipes_table(data, rows), _versions(rows)]
            means = seeds_table(data, rows)
            if means:
                parts += ["Means over seeds, with the 95 % interval of Student's t for them:", means]
    if times := read_row_times():
        parts.append(f"### Time of a row\n\n{row_times_table(times)}")
    if measured := read_json(RESULTS / "training.json"):
        parts.append(f"### Training, images per processor second\n\n{training_table(measured['models'])}")
    if beside := read_json(RESULTS / "training_beside.json"):
        title = f"### Training, beside {beside['beside']}, images per processor second"
        parts.append(f"{title}\n\n{beside_table(beside['lines'])}")
    if generated := read_json(RESULTS / "generated_fashion_mnist.json"):
        parts.append(f"### Generated images, Fashion-MNIST\n\n{generated_table(generated)}")
    return "\n\n".join(parts) + "\n"


def row_times_table(rows: Rows) -> str:
    """Say how long every row takes on all processors of a machine."""
    columns = ("epoch_seconds", "epochs", "other_seconds")
    lines = (
        [
            key,
            *(f"{row[column]:,.0f}" for column in columns),
            f"{row['minutes']:.1f}",
            _machine(row["environment"]),
        ]
        for key, row in rows.items()
    )
    return table(_ROW_TIME_COLUMNS, lines)


def training_table(models: dict[str, Any]) -> str:
    """Say how fast models are trained, and how many times as fast other ways are."""
    others = list(next(iter(models.values()))["over"])
    return table(
        ["model", "`fit`, images/s", *(f"{way}, times as fast" for way in others)],
        (
            [
                name,
                _spread(found["images/s"], ",.0f"),
                *(_spread(found["over"][way], ".2f") for way in others),
            ]
            for name, found in models.items()
        ),
    )


def beside_table(lines: Rows) -> str:
    """Say how fast models are trained by this version and another one."""
    return table(
        ["model", "computes in", "threads", "before", "now", "times as fast"],
        (
            [
                line["model"],
                line["dtype"].removeprefix("mixed_"),
                str(line["threads"]),
                _spread(line["before"], ",.0f"),
                _spread(line["now"], ",.0f"),
                _spread(line["times as fast"], ".2f"),
            ]
            for line in lines.values()
        ),
    )


def generated_table(results: Rows) -> str:
    """Say which classes generated images are of, and how similar they are to real ones and to each other."""
    return table(
        _GENERATED_COLUMNS,
        (
            [
                key,
                *(f"{share:.1%}" for share in result["shares"]),
                *(_or_nothing(result.get(name)) for name in ("frechet", "to_training", "to_each_other")),
            ]
            for key, result in results.items()
        ),
    )


def page_tables() -> str:
    """Return what stands between the page's markers."""
    return f"\n{all_tables()}\n"


def write_page() -> None:
    """Replace what stands between the page's markers."""
    replace_generated_part(PAGE, WRITER, page_tables())


def _baseline(row: Record) -> list[str]:
    return _cells({"model": "raw pixels", "labels": "no", "d": "784", "1-NN": _interval(row["pixels"])})


def _cells(known: dict[str, str]) -> list[str]:
    """Return a line of the first table of which only some columns are known."""
    return list((dict.fromkeys(_RESULT_COLUMNS, NOTHING) | known).values())


def _result(recipe: Recipe, row: Record) -> list[str]:
    error = row["reconstruction_error"]
    return [
        recipe.key,
        "yes" if row["uses_labels"] else "no",
        str(row["latent_dim"]),
        _interval(row["nearest"]),
        _vote(row),
        _interval(row["chosen"]),
        NOTHING if error is None else f"{error:.4f}",
        f"{row['training_processor_seconds']:,.0f}",
        f"{row['classifying_seconds']:.1f}",
    ]


def _training(recipe: Recipe, row: Record, data: str) -> list[str]:
    published = recipe.published + (f": {recipe.measured_how}" if recipe.measured_how else "")
    return [
        recipe.key,
        f"{row['parameters']:,}",
        str(row["recipe"]["epochs"]),
        f"{row['training_images'] / row['training_processor_seconds']:,.0f}",
        _machine(row["environment"]),
        recipe.changes or NOTHING,
        f"{row['history']['val_loss'][-1]:.4f}",
        published if recipe.published_on == data else NOTHING,
    ]


def _interval(accuracy: dict[str, float]) -> str:
    return "{value:.4f} ({low:.4f}–{high:.4f})".format(**accuracy)


def _mean(values: list[float]) -> str:
    """Say the mean of what seeds gave, and the interval of the mean that others would give."""
    mean = statistics.fmean(values)
    reach = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return _interval({"value": mean, "low": max(mean - reach, 0), "high": min(mean + reach, 1)})


def _spread(found: dict[str, float], form: str) -> str:
    return f"{found['median']:{form}} ({found['low']:{form}}–{found['high']:{form}})"


def _vote(row: Record) -> str:
    vote = row["vote"]
    return f"k = {vote['k']}" + (f", {vote['weights']}" if vote["k"] > 1 else "")


def _or_nothing(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _machine(about: dict[str, Any]) -> str:
    threads = about["threads"]
    return f"{about['cpu']}, {about['instruction_set']}, {threads} thread{'s' if threads > 1 else ''}"


def _versions(rows: Rows) -> str:
    """Say which libraries the rows were measured with; mostly one line."""
    libraries = ("latentknn", "tensorflow", "keras", "numpy")
    lines = [
        ", ".join(f"{name} {row['environment']['versions'][name]}" for name in libraries)
        for row in rows.values()
    ]
    return f"Measured with {'; '.join(dict.fromkeys(lines))}."


if __name__ == "__main__":
    write_page()
    print(f"written: the tables of {PAGE.parent.name}/{PAGE.name}")
