"""The committed results are complete, and the pages show them as they are.

    make check-results

These checks are not among the tests of the code: they fail where measuring is still to be done.
"""

import json
from pathlib import Path

import pytest

from benchmarks.gpu import tables as gpu_tables
from benchmarks.harness.markdown import generated_part
from benchmarks.harness.paths import RESULTS
from benchmarks.harness.results import Record
from benchmarks.speed import hostile_tables, instruction_sets, interrupt, radius, reduced
from benchmarks.speed import tables as speed_tables
from benchmarks.zoo import out_of_distribution, recipes, row_times, rows
from benchmarks.zoo import tables as zoo_tables


@pytest.mark.parametrize("data", recipes.DATA)
def test_every_recipe_has_its_row(data: str) -> None:
    assert rows.faults(data) == []


def test_the_times_of_rows_are_of_these_recipes() -> None:
    assert rows.faults_of_times(row_times.DATA) == []


def test_the_zoo_shows_these_results() -> None:
    assert generated_part(zoo_tables.PAGE, zoo_tables.WRITER) == zoo_tables.page_tables()


def test_the_page_of_unknown_queries_shows_these_results() -> None:
    shown = generated_part(out_of_distribution.PAGE, out_of_distribution.WRITER)
    assert shown == out_of_distribution.page_table()


def test_the_tables_of_searches_show_these_results() -> None:
    assert generated_part(speed_tables.README, speed_tables.WRITER) == speed_tables.page_tables()


@pytest.mark.parametrize("machine", ["zen4", "amx", "amx/many_queries"])
def test_the_table_of_hostile_data_shows_these_results(machine: str) -> None:
    lines = _read(RESULTS / machine / "hostile.json")["lines"]
    assert hostile_tables.summary(list(lines.values())) in speed_tables.README.read_text()


@pytest.mark.parametrize("part", ["32_queries", "one_query", "125000_rows"])
def test_the_tables_of_other_sizes_show_these_results(part: str) -> None:
    lines = _read(RESULTS / "amx" / part / "hostile.json")["lines"]
    worst, every_line = hostile_tables.summary(list(lines.values())).split("\n\n")
    assert (every_line if part == "125000_rows" else worst) in speed_tables.README.read_text()


@pytest.mark.parametrize("machine", ["zen4", "amx"])
def test_the_table_of_instruction_sets_shows_these_results(machine: str) -> None:
    content = _read(RESULTS / machine / "instruction_sets.json")
    shown = instruction_sets.results_table(content["about"], content["lines"])
    assert shown in speed_tables.README.read_text()


def test_the_table_of_searches_in_fewer_bits_shows_these_results() -> None:
    shown = reduced.results_table(_read(RESULTS / "amx" / "reduced.json")["lines"])
    assert shown in speed_tables.README.read_text()


def test_the_table_of_interrupts_shows_these_results() -> None:
    shown = generated_part(interrupt.README, interrupt.WRITER)
    assert shown == interrupt.results_table(_read(RESULTS / "interrupt.json")["calls"])


def test_the_table_of_range_searches_shows_these_results() -> None:
    shown = generated_part(radius.README, radius.WRITER)
    assert shown == radius.results_table(_read(radius.SHOWN / "radius.json"))


@pytest.mark.parametrize("device", ["h100", "h200", "h200-two-warpgroups"])
def test_the_tables_of_devices_show_these_results(device: str) -> None:
    assert gpu_tables.all_tables(_read(RESULTS / device / "gpu.json")) in speed_tables.README.read_text()


def _read(path: Path) -> Record:
    content: Record = json.loads(path.read_text())
    return content
