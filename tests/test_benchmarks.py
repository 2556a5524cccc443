"""The tables of the zoo are complete, and rows of other recipes are not taken for today's."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentknn.evaluation import Neighbours
from latentknn.models import MODELS

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import hostile_data
import hostile_tables
import recipes
import seed_protocol
import zoo_tables


@pytest.mark.parametrize("data", recipes.DATA)
def test_every_recipe_has_its_row(data):
    keys = [recipe.key for recipe in recipes.recipes_on(data)]
    assert len(set(keys)) == len(keys)
    assert list(zoo_tables.read_rows(data)) == keys
    assert {recipe.model for recipe in recipes.recipes_on(data)} == set(MODELS)


def test_a_row_of_another_recipe_is_not_read(monkeypatch):
    changed = replace(recipes.RECIPES[0], epochs=recipes.RECIPES[0].epochs + 1)
    monkeypatch.setattr(recipes, "RECIPES", (changed, *recipes.RECIPES[1:]))
    rows = zoo_tables.read_rows("mnist")
    assert changed.key in zoo_tables.all_rows("mnist")
    assert changed.key not in rows
    assert len(rows) == len(recipes.recipes_on("mnist")) - 1


def test_the_times_of_rows_are_of_these_recipes():
    first_seeds = [recipe for recipe in recipes.recipes_on("fashion_mnist") if recipe.seed == 0]
    times = zoo_tables.read_row_times()
    assert {key: row["epochs"] for key, row in times.items()} == {
        recipe.key: recipe.epochs for recipe in first_seeds
    }


def test_the_page_is_of_these_results():
    assert zoo_tables.all_tables() in zoo_tables.PAGE.read_text()


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


@pytest.mark.parametrize("kind", hostile_data.KINDS)
def test_hostile_data_are_normalised_and_the_same_each_time(kind):
    dim, make = hostile_data.KINDS[kind]
    rows, queries = make(300, 7, dim)
    assert rows.shape == (300, dim)
    assert queries.shape == (7, dim)
    for made in (rows, queries):
        assert made.dtype == np.float32
        lengths = np.linalg.norm(made, axis=1)
        np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
    assert rows.tobytes() == make(300, 7, dim)[0].tobytes()


def test_the_page_shows_what_was_measured_of_hostile_data():
    benchmarks = Path(hostile_tables.__file__).parent
    kept = json.loads((benchmarks / "results/zen4/hostile.json").read_text())
    assert hostile_tables.summary(list(kept["lines"].values())) in (benchmarks / "README.md").read_text()
