"""What was measured of the zoo, as it stands under results/, by the keys of the recipes."""

from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import Record, read_json
from benchmarks.zoo.recipes import recipes_on

Rows = dict[str, Record]


def all_rows(data: str) -> Rows:
    """Return what was measured on a data set, by whatever recipes."""
    return read_json(RESULTS / f"zoo_{data}.json")


def read_rows(data: str) -> Rows:
    """Return what was measured on a data set by today's recipes, by their keys and in their order."""
    rows = all_rows(data)
    return {
        recipe.key: rows[recipe.key]
        for recipe in recipes_on(data)
        if recipe.key in rows and rows[recipe.key]["recipe"] == recipe.described()
    }


def read_row_times() -> Rows:
    """Return how long rows take on all processors."""
    return read_json(RESULTS / "row_times.json")
