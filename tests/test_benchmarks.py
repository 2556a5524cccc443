"""The tables of the zoo are complete, and rows of other recipes are not taken for today's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.harness.markdown import generated_part
from benchmarks.harness.paths import RESULTS
from benchmarks.speed import hostile_tables
from benchmarks.speed import tables as speed_tables
from benchmarks.speed.data import hostile
from benchmarks.zoo import recipes, rows, seed_protocol, tables
from latentknn.evaluation import Neighbours
from latentknn.models import MODELS


@pytest.mark.parametrize("data", recipes.DATA)
def test_every_recipe_has_its_row(data):
    keys = [recipe.key for recipe in recipes.recipes_on(data)]
    assert len(set(keys)) == len(keys)
    assert list(rows.read_rows(data)) == keys
    assert {recipe.model for recipe in recipes.recipes_on(data)} == set(MODELS)


def test_a_row_of_another_recipe_is_not_read(monkeypatch):
    changed = replace(recipes.RECIPES[0], epochs=recipes.RECIPES[0].epochs + 1)
    monkeypatch.setattr(recipes, "RECIPES", (changed, *recipes.RECIPES[1:]))
    found = rows.read_rows("mnist")
    assert changed.key in rows.all_rows("mnist")
    assert changed.key not in found
    assert len(found) == len(recipes.recipes_on("mnist")) - 1


def test_the_times_of_rows_are_of_these_recipes():
    first_seeds = [recipe for recipe in recipes.recipes_on("fashion_mnist") if recipe.seed == 0]
    times = rows.read_row_times()
    assert {key: row["epochs"] for key, row in times.items()} == {
        recipe.key: recipe.epochs for recipe in first_seeds
    }


def test_the_page_is_of_these_results():
    assert generated_part(tables.PAGE, tables.WRITER) == f"\n{tables.all_tables()}\n"


def test_the_seed_protocol_passes_over_copies():
    similarities = np.tile([1.0, 0.99995, 0.9, 0.8], (50, 1))
    classes = np.tile([0, 0, 1, 2], (50, 1))
    similarities[25:] = 1.0  # copies alone: the last decides
    found = seed_protocol.measure(Neighbours(similarities, classes, 3), np.repeat([1, 2], 25), seed=0)
    assert found == {"accuracy": 1.0, "low": 1.0, "high": 1.0}
    half = seed_protocol.measure(Neighbours(similarities, classes, 3), np.full(50, 1), seed=0)
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


def test_the_page_shows_what_was_measured_of_hostile_data():
    kept = json.loads((RESULTS / "zen4" / "hostile.json").read_text())
    assert hostile_tables.summary(list(kept["lines"].values())) in speed_tables.README.read_text()
