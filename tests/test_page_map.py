"""The map of a page: its points, their data and their filters."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest

import latentknn as lk
from latentknn.evaluation import evaluate
from latentknn.pages import placing, write_page
from page_cases import CODES, LABELS, PICTURES, RNG, TEXTS, map_data, pixels_of, written

pytestmark = pytest.mark.usefixtures("without_umap")


@pytest.fixture(scope="module")
def result():
    codes = CODES.copy()
    codes[7] = codes[41]
    return evaluate(codes, LABELS)


def test_the_map_knows_every_item_and_its_neighbours(tmp_path, result):
    page = written(tmp_path, result, codes=CODES, pictures=PICTURES)
    known, items = map_data(page), result.items
    shown = known["items"]
    assert sorted(shown) == [*range(60)]
    wrong = items.classes[shown] != items.predictions[shown]
    assert np.all(np.diff(wrong.astype(int)) >= 0)
    assert known["truth"] == items.classes[shown].tolist()
    assert known["predicted"] == items.predictions[shown].tolist()
    assert known["neighbours"] == items.neighbours[shown, :5].tolist()
    assert known["neighbourClasses"] == items.neighbour_classes[shown, :5].tolist()
    assert np.allclose(known["similarities"], items.similarities[shown, :5], atol=6e-5)
    tiles = pixels_of(page).reshape(1, 16, -1, 16).swapaxes(1, 2).reshape(-1, 16, 16)
    assert np.array_equal(tiles[known["looks"], 3:12, 4:11], PICTURES[shown])
    codes = np.array(known["neighbours"])
    assert np.array_equal(tiles[np.array(known["neighbourLooks"])][..., 3:12, 4:11], PICTURES[codes])


def test_the_points_of_the_map_are_drawn_in_the_order_of_its_data(tmp_path, result, monkeypatch):
    places = RNG.standard_normal((60, 2)).astype(np.float32)
    monkeypatch.setattr(placing, "project", lambda codes, seed: places)
    page = written(tmp_path, result, codes=CODES)
    figure = json.loads(page.one("script", id="figures").text)["map-figure"]
    columns = dict(column_entries(figure))
    shown = map_data(page)["items"]
    assert np.array_equal(columns["x"], places[shown, 0])
    assert np.array_equal(columns["class"], result.items.classes[shown])
    wrong = result.items.classes[shown] != result.items.predictions[shown]
    assert np.array_equal(columns["size"] > 5, wrong)


def column_entries(value):
    """Yield names and values of the arrays in a figure's JSON."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, list) and len(each) == 2 and isinstance(each[1], dict) and "array" in each[1]:
                content = gzip.decompress(base64.b64decode(each[1]["array"]["data"]))
                yield each[0], np.frombuffer(content, each[1]["dtype"])
            else:
                yield from column_entries(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from column_entries(each)


def test_the_map_of_many_items_shows_some_by_the_seed(tmp_path, result, monkeypatch):
    monkeypatch.setattr(placing, "MOST_POINTS", 40)
    shown = [
        sorted(map_data(written(tmp_path, result, codes=CODES, seed=seed))["items"]) for seed in (0, 0, 1)
    ]
    assert shown[0] == shown[1] != shown[2]
    assert len(set(shown[0])) == 40
    page = written(tmp_path, result, codes=CODES)
    assert page.one("section", id="map").one("p").text.startswith("40 of 60 items, placed by t-SNE")


def test_texts_of_the_map_stand_in_it_once(tmp_path, result):
    known = map_data(written(tmp_path, result, codes=CODES, texts=TEXTS))
    assert [known["texts"][number] for number in known["looks"]] == [TEXTS[item] for item in known["items"]]
    assert len(known["texts"]) == 60


def test_filters_of_the_map_are_controls_with_labels(tmp_path, result):
    section = written(tmp_path, result, codes=CODES).one("section", id="map")
    for name in ("map-truth", "map-predicted"):
        options = section.one("select", id=name).all("option")
        assert [each.text for each in options] == ["any", *result.class_names]
        assert [each.attributes["value"] for each in options] == ["", "0", "1", "2"]
    labelled = [
        each for label in section.all("label") for each in label.all() if each.tag in ("select", "input")
    ]
    assert {each.attributes["id"] for each in labelled} == {
        "map-truth",
        "map-predicted",
        "map-wrong",
        "map-number",
    }


def test_without_umap_the_map_is_by_t_sne():
    placed = placing.place_items(CODES, 60, seed=1)
    assert placed.method == "t-SNE"
    assert np.array_equal(placed.places, lk.evaluation.project(CODES.astype(np.float32), 1))


def test_two_items_have_no_map(tmp_path):
    result = evaluate(CODES[:2], ["cat", "dog"])
    assert not written(tmp_path, result, codes=CODES[:2]).all("section", id="map")


def test_codes_of_the_map_must_be_those_of_the_items(tmp_path, result):
    with pytest.raises(ValueError, match="codes must be those of the 60 items, received 9"):
        write_page(result, tmp_path / "page.html", codes=CODES[:9])
    assert not list(tmp_path.iterdir())
