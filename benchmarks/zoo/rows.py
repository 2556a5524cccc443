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


def faults(data: str) -> list[str]:
    """Say what is wrong with the rows of a data set; nothing where it is complete.

    Every recipe must have a row that it gave, or be declared as unmeasured there, and not both.
    """
    rows, found = read_rows(data), []
    for recipe in recipes_on(data):
        if recipe.key in rows and data in recipe.unmeasured:
            found.append(f"{recipe.key} has a row on {data}, but is declared as unmeasured there")
        if recipe.key not in rows and data not in recipe.unmeasured:
            found.append(f"{recipe.key} has no row on {data}, and is not declared as unmeasured there")
    return found


def faults_of_times(data: str) -> list[str]:
    """Say what is wrong with the times of rows, of the first seed of each recipe on a data set.

    A recipe that is declared as unmeasured may have a time, and may lack it.
    """
    times = read_row_times()
    recipes = {recipe.key: recipe for recipe in recipes_on(data) if recipe.seed == 0}
    found = [f"{key} has a time, but is no recipe" for key in times if key not in recipes]
    for key, recipe in recipes.items():
        if key in times and times[key]["epochs"] != recipe.epochs:
            found.append(f"{key} has a time of {times[key]['epochs']} epochs, and takes {recipe.epochs}")
        if key not in times and data not in recipe.unmeasured:
            found.append(f"{key} has no time, and is not declared as unmeasured on {data}")
    return found
