"""Parts of the benchmarks: recipes and rows of the zoo, generated data, tables, names of programmes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from benchmarks.harness import markdown
from benchmarks.harness.paths import ROOT
from benchmarks.harness.results import write_json
from benchmarks.harness.timing import balanced_order, paired_times
from benchmarks.speed import hostile_tables
from benchmarks.speed.data import hostile
from benchmarks.zoo import blinded, out_of_distribution, published_protocol, recipes, rows, tables
from benchmarks.zoo.recipes import Recipe
from latentknn.evaluation import Neighbours
from latentknn.models import MODELS


@pytest.fixture
def two_recipes(monkeypatch, tmp_path):
    """Give the zoo two recipes and no results; return a function that writes rows of some recipes."""
    first, second = (Recipe(model, epochs=3) for model in ("first", "second"))
    monkeypatch.setattr(recipes, "RECIPES", (first, second))
    monkeypatch.setattr(rows, "RESULTS", tmp_path)

    def measure(*measured, data="mnist"):
        write_json(f"zoo_{data}", {each.key: made_row(each) for each in measured}, tmp_path)

    return first, second, measure


def made_row(recipe):
    accuracy = {"correct": 9, "total": 10, "value": 0.9, "low": 0.8, "high": 0.95}
    return {
        "recipe": recipe.described(),
        "uses_labels": False,
        "latent_dim": 8,
        "reconstruction_error": None,
        "training_processor_seconds": 1.0,
        "classifying_seconds": 1.0,
        "vote": {"k": 1, "weights": "uniform"},
        **dict.fromkeys(("pixels", "nearest", "chosen"), accuracy),
    }


def declare(monkeypatch, *changed):
    """Replace the recipes of the same names."""
    by_key = {recipe.key: recipe for recipe in (*recipes.RECIPES, *changed)}
    monkeypatch.setattr(recipes, "RECIPES", tuple(by_key.values()))


@pytest.mark.parametrize("data", recipes.DATA)
def test_every_model_has_a_recipe_and_every_recipe_a_key(data):
    keys = [recipe.key for recipe in recipes.recipes_on(data)]
    assert len(set(keys)) == len(keys)
    assert {recipe.model for recipe in recipes.recipes_on(data)} == set(MODELS)


def test_recipes_are_declared_as_unmeasured_only_where_they_are_to_be_measured():
    assert all(set(recipe.unmeasured) <= set(recipe.data) for recipe in recipes.RECIPES)


def test_a_row_of_another_recipe_is_not_read(two_recipes, monkeypatch):
    first, second, measure = two_recipes
    measure(first, second)
    declare(monkeypatch, replace(first, epochs=4))
    assert list(rows.all_rows("mnist")) == [first.key, second.key]
    assert list(rows.read_rows("mnist")) == [second.key]


def test_a_zoo_with_all_rows_has_no_faults(two_recipes):
    first, second, measure = two_recipes
    measure(first, second)
    assert rows.faults("mnist") == []


def test_a_row_that_is_missing_without_being_declared_is_a_fault(two_recipes, monkeypatch):
    first, second, measure = two_recipes
    measure(first)
    (fault,) = rows.faults("mnist")
    assert fault.startswith(f"{second.key} has no row on mnist")
    declare(monkeypatch, replace(second, unmeasured=("fashion_mnist",)))
    assert rows.faults("mnist") == [fault]


def test_a_row_of_another_recipe_counts_as_missing(two_recipes, monkeypatch):
    first, second, measure = two_recipes
    measure(first, second)
    declare(monkeypatch, replace(second, epochs=4))
    assert len(rows.faults("mnist")) == 1
    declare(monkeypatch, replace(second, epochs=4, unmeasured=("mnist",)))
    assert rows.faults("mnist") == []


def test_a_model_stands_in_the_table_as_not_measured_yet(two_recipes, monkeypatch):
    first, second, measure = two_recipes
    measure(second)
    declare(monkeypatch, replace(first, unmeasured=("mnist",)))
    assert rows.faults("mnist") == []
    *_, pixels, declared, measured = tables.results_table("mnist", rows.read_rows("mnist")).splitlines()
    assert pixels.startswith("| raw pixels |")
    assert declared == f"| {first.key} | – | – | not measured yet | – | – | – | – | – |"
    assert measured.startswith(f"| {second.key} | no | 8 | 0.9000 (")


def test_a_row_that_is_declared_as_unmeasured_is_a_fault(two_recipes, monkeypatch):
    first, second, measure = two_recipes
    measure(first, second)
    declare(monkeypatch, replace(first, unmeasured=("mnist",)))
    (fault,) = rows.faults("mnist")
    assert fault.startswith(f"{first.key} has a row on mnist, but is declared")


def test_only_recipes_that_are_declared_may_lack_a_time(two_recipes, monkeypatch, tmp_path):
    first, second, _ = two_recipes
    write_json("row_times", {first.key: {"epochs": 3}}, tmp_path)
    (fault,) = rows.faults_of_times("mnist")
    assert fault.startswith(f"{second.key} has no time")
    declare(monkeypatch, replace(second, unmeasured=("mnist",)))
    assert rows.faults_of_times("mnist") == []
    write_json("row_times", {first.key: {"epochs": 4}, "third, seed 0": {"epochs": 3}}, tmp_path)
    assert rows.faults_of_times("mnist") == [
        "third, seed 0 has a time, but is no recipe",
        f"{first.key} has a time of 4 epochs, and takes 3",
    ]


def test_the_published_protocol_passes_over_copies():
    similarities = np.tile([1.0, 0.99995, 0.9, 0.8], (50, 1))
    classes = np.tile([0, 0, 1, 2], (50, 1))
    similarities[25:] = 1.0  # If all are copies, the last decides.
    found = published_protocol.measure(Neighbours(similarities, classes, 3), np.repeat([1, 2], 25), seed=0)
    assert found == {"accuracy": 1.0, "low": 1.0, "high": 1.0}
    half = published_protocol.measure(Neighbours(similarities, classes, 3), np.full(50, 1), seed=0)
    assert half["low"] < 0.5 < half["high"]
    assert 0.4 < half["accuracy"] < 0.6


def test_hostile_lines_are_compared_with_the_best_and_with_faiss():
    line = {"seconds": {"auto": [2.0], "fp32": [4.0], "int16": [1.0], "int8": [3.0], "FAISS": [5.0]}}
    assert hostile_tables.over_best(line).median == 2.0
    assert hostile_tables.over_faiss(line).median == 2.5


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_hostile_data_are_normalised_and_the_same_each_time(kind):
    dim, make = hostile.KINDS[kind]
    database, queries = make(300, 7, dim)
    assert database.shape == (300, dim)
    assert queries.shape == (7, dim)
    for made in (database, queries):
        assert made.dtype == np.float32
        lengths = np.linalg.norm(made, axis=1)
        np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
    assert database.tobytes() == make(300, 7, dim)[0].tobytes()


def test_what_is_generated_stands_between_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x.py writes from here -->\nold\n<!-- to here -->\nafter\n")
    markdown.replace_generated_part(page, "x.py", "\nnew\n")
    assert markdown.generated_part(page, "x.py") == "\nnew\n"
    assert page.read_text() == "before\n<!-- x.py writes from here -->\n\nnew\n<!-- to here -->\nafter\n"


PROGRAMMES = re.compile(r"-m (benchmarks\.[\w.]+)")
FILES = re.compile(r"\bbenchmarks/[\w/]+\.(?:py|sh|md|cpp)\b")
PAGES = (
    *ROOT.glob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    *(path for path in (ROOT / "benchmarks").rglob("*.*") if path.suffix in (".py", ".sh", ".cpp")),
    ROOT / "Makefile",
    ROOT / ".ci" / "run",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_programmes_that_a_page_names_are_there(page):
    text = page.read_text()
    named = [module.rstrip(".").replace(".", "/") + ".py" for module in PROGRAMMES.findall(text)]
    missing = [name for name in (*named, *FILES.findall(text)) if not (ROOT / name).is_file()]
    assert missing == []


def counted(*similarities):
    """Return how often each distinct similarity occurs in each of some arrays."""
    distinct = np.unique(np.concatenate(similarities))
    return [np.array([np.sum(each == value) for value in distinct]) for each in similarities]


def test_measures_of_unknown_images_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    for digits in (1, 2, 8):
        known, unknown = (np.round(rng.normal(mean, 1, 300), digits) for mean in (1, 0))
        truth, similarities = np.repeat([1, 0], 300), np.concatenate([known, unknown])
        area, rate = out_of_distribution.measures(*counted(known, unknown))
        assert area == pytest.approx(roc_auc_score(truth, similarities), rel=1e-12)
        rates, recall, _ = roc_curve(truth, similarities, drop_intermediate=False)
        assert rate == rates[np.argmax(recall >= 0.95)]


def test_intervals_are_of_images_drawn_anew(monkeypatch):
    monkeypatch.setattr(out_of_distribution, "RESAMPLES", 400)
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(1, 1, 200), rng.normal(0, 1, 300)
    first, same, apart = out_of_distribution.compare(
        [known, np.exp(known), known + 9], [unknown, np.exp(unknown), unknown]
    )
    assert first["over_first"] == same["over_first"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert first["auroc"] == same["auroc"]
    assert apart["auroc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert apart["over_first"]["low"] == pytest.approx(1 - first["auroc"]["high"])
    # Hanley and McNeil's standard error, of normal scores nearly right.
    area = first["auroc"]["value"]
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 199 * (one - area**2) + 299 * (two - area**2)) / (200 * 300)
    width = first["auroc"]["high"] - first["auroc"]["low"]
    assert width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.2)


def test_lines_of_unknown_images_are_shown():
    found = {"value": 0.5, "low": 0.25, "high": 0.75}
    measured = {"auroc": found, "false_positive_rate": found, "over_first": found}
    shares = ("threshold", "recall", "false_positive_rate", "accuracy", "accuracy_of_accepted")
    line = {"neighbours": {"1": measured, "5": measured}, "transferred": dict.fromkeys(shares, 0.5)}
    *neighbours, _, _, _, tried = out_of_distribution.results_table({"mnist, pixels": line}).splitlines()
    assert neighbours[2:] == [
        "| MNIST | Fashion-MNIST | raw pixels | 1 | 0.5000 (0.2500 to 0.7500) | 0.500 (0.250 to 0.750) | – |",
        "| MNIST | Fashion-MNIST | raw pixels | 5 | 0.5000 (0.2500 to 0.7500) | 0.500 (0.250 to 0.750) | "
        "+0.5000 (+0.2500 to +0.7500) |",
    ]
    assert tried.startswith("| MNIST | Fashion-MNIST | raw pixels | 0.5000 | ")


def test_the_distance_of_generated_images_stands_in_their_table():
    """What was measured before there was a distance has none, and what is compared with itself neither."""
    shares = [0.1] * 10
    rows = {
        "test images": {"shares": shares, "frechet": None, "to_training": 0.9, "to_each_other": 0.8},
        "training images": {"shares": shares, "frechet": 0.1234, "to_training": None, "to_each_other": 0.7},
        "of an older version": {"shares": shares, "to_training": 0.6, "to_each_other": 0.5},
    }
    header, _, *lines = tables.generated_table(rows).splitlines()
    assert [cell.strip() for cell in header.split("|")[12:15]] == [
        "Fréchet distance to test images",
        "similarity to training images",
        "to each other",
    ]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert {each[1]: each[12:15] for each in cells} == {
        "test images": ["–", "0.900", "0.800"],
        "training images": ["0.123", "–", "0.700"],
        "of an older version": ["–", "0.600", "0.500"],
    }


@pytest.mark.parametrize("count", [2, 3, 5, 6])
def test_functions_that_are_timed_come_after_each_other_equally_often(count):
    rounds = range(count if count % 2 == 0 else 2 * count)
    orders = [balanced_order(count, number) for number in rounds]
    assert all(sorted(order) == list(range(count)) for order in orders)
    after = Counter(pair for order in orders for pair in pairwise(order))
    assert len(after) == count * (count - 1)
    assert len(set(after.values())) == 1


def test_every_function_is_timed_once_a_round():
    calls = []
    functions = {name: lambda given, name=name: calls.append((given, name)) for name in "abc"}
    times = paired_times(functions, lambda number: number, rounds=2)
    assert sorted(calls) == [(number, name) for number in range(3) for name in "abc"]
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 2, "b": 2, "c": 2}


def test_recognised_images_are_counted_by_the_key():
    key = [["gan", "test images"], ["vae", "gan"]]
    assert blinded.recognised(key, ["-+", "-+"]) == {"gan": 1, "test images": 1, "vae": 0}
    for signs in (["-+"], ["-+", "-"], ["-+", "-x"]):
        with pytest.raises(ValueError, match="expected"):
            blinded.recognised(key, signs)
