"""Pages of evaluations: what they show, load and refuse. tests/test_page_in_browser.py opens one."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from latentknn.evaluation import Vote, evaluate
from latentknn.pages import looks, placing, sheet, write_page
from latentknn.pages.curves import vote_curve
from new_interpreter import run_script
from page_reader import read_page

RNG = np.random.default_rng(0)
LABELS = np.repeat(["cat", "dog", "eel"], 20)
CENTRES = np.repeat(np.eye(3, 6), 20, axis=0)
CODES = CENTRES + 0.5 * RNG.standard_normal((60, 6))
ITEMS, TRUTH = CODES[::4] + 0.1, LABELS[::4]
PICTURES = RNG.integers(0, 256, (60, 9, 7), dtype=np.uint8)
TEXTS = [f"text of {label} {number}" for number, label in enumerate(LABELS)]

pytestmark = pytest.mark.usefixtures("without_umap")


@pytest.fixture(scope="module")
def result():
    codes = CODES.copy()
    codes[7] = codes[41]
    return evaluate(codes, LABELS)


def written(folder, evaluation, **options):
    write_page(evaluation, folder / "page.html", **options)
    return read_page(folder / "page.html")


def pixels_of(page):
    """Return the pixels of the sheet of a page."""
    (content,) = re.findall(r"url\(data:image/\w+;base64,([^)]*)\)", page.one("style").text)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def tile_of(page, element, side):
    column, row = (int(number) for number in re.findall(r"\d+", element.attributes["style"]))
    return pixels_of(page)[row * side : (row + 1) * side, column * side : (column + 1) * side]


# What is shown


def test_the_confusion_matrix_is_a_table_with_headers(tmp_path, result):
    table = written(tmp_path, result).one("section", id="confusion").one("table")
    columns = table.one("thead").all("th", scope="col")
    assert [each.text for each in columns[1:]] == list(result.class_names)
    rows = table.one("tbody").all("tr")
    assert [row.one("th", scope="row").text for row in rows] == list(result.class_names)
    counts = [[int(cell.text) for cell in row.all("td")] for row in rows]
    assert counts == result.classification.confusion_matrix().tolist()


def test_errors_are_shown_by_pair_the_most_confident_first(tmp_path, result):
    section = written(tmp_path, result, pictures=PICTURES).one("section", id="errors")
    groups = section.all("details")
    assert len(groups) == len(result.confused)
    for group, pair in zip(groups, result.confused, strict=True):
        assert group.one("summary").text.startswith(f"{pair.truth} taken for {pair.predicted} : {pair.count}")
        items = [int(card.one(class_="class").text.split()[1]) for card in cards_without_neighbours(group)]
        names = np.array(result.class_names)
        assert np.all(names[result.items.classes[items]] == pair.truth)
        assert np.all(names[result.items.predictions[items]] == pair.predicted)
        assert np.all(np.diff(result.items.shares[items]) <= 0)


def cards_without_neighbours(group):
    return group.all("div", class_="item")


def test_errors_have_their_neighbours_as_evidence(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES)
    card = page.one("section", id="errors").all("li", class_="card")[0]
    item = int(card.one("div", class_="item").one(class_="class").text.split()[1])
    neighbours = card.one("ol").all("li")
    codes = result.items.neighbours[item, :5].tolist()
    pictures = [each.one(role="img") for each in neighbours]
    assert [each.attributes["aria-label"] for each in pictures] == [
        f"item {code}, {LABELS[code]}" for code in codes
    ]
    similarities = [f"{value:.4f}" for value in result.items.similarities[item, :5]]
    assert [each.one(class_="value").text for each in neighbours] == similarities
    own = [LABELS[code] == LABELS[item] for code in codes]
    assert ["agrees" in each.attributes["class"] for each in neighbours] == own
    # A picture of 9 by 7 pixels stands in the middle of 16 by 16.
    for code, picture in zip(codes, pictures, strict=True):
        assert np.array_equal(tile_of(page, picture, 16)[3:12, 4:11], PICTURES[code])


def test_neighbours_of_test_items_have_pictures_of_their_own(tmp_path):
    result = evaluate(CODES, LABELS, test=(ITEMS, TRUTH))
    others = 255 - PICTURES[:15]
    page = written(tmp_path, result, pictures=others, neighbour_pictures=PICTURES)
    seen = {
        each.attributes["aria-label"]: each for each in page.one("main").all(role="img", class_="picture")
    }
    kinds = {name.split()[0] for name in seen}
    assert kinds == {"item", "code"}
    for name, picture in seen.items():
        kind, number = name.split(",")[0].split()
        source = others if kind == "item" else PICTURES
        assert np.array_equal(tile_of(page, picture, 16)[3:12, 4:11], source[int(number)])


def test_suspects_duplicates_hubs_and_outliers_are_shown(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES)
    assert result.label_errors.total > 0
    suspects = page.one("section", id="labels").all("div", class_="item")
    assert [int(each.one(class_="class").text.split()[1]) for each in suspects] == [
        *result.label_errors.items[:24]
    ]
    assert f"neighbours say {result.label_errors.suggestions[0]}" in suspects[0].text
    (pair,) = page.one("section", id="duplicates").all("li", class_="card")
    assert "item 7, cat" in pair.text
    assert "item 41, eel" in pair.text
    assert pair.text.endswith("similarity 1.000000, different labels")
    hubs = page.one("section", id="hubs").all("li", class_="card")
    assert f"near to {result.hubs.occurrences[0]} items, {result.hubs.misleading[0]} of" in hubs[0].text
    outliers = page.one("section", id="outliers").all("div", class_="item")
    assert f"item {result.outliers.items[0]}, " in outliers[0].text


def test_texts_are_shown_where_there_are_no_pictures(tmp_path, result):
    page = written(tmp_path, result, texts=["  many\nlines " + 200 * "x", *TEXTS[1:]])
    texts = [each.text for each in page.one("main").all("q")]
    assert TEXTS[result.label_errors.items[0]] in texts
    assert max(map(len, texts)) <= 160
    assert not page.all(class_="picture")


def test_numbers_are_shown_where_there_is_nothing_else(tmp_path, result):
    page = written(tmp_path, result)
    assert f"item {result.hubs.codes[0]}" in page.one("section", id="hubs").text
    assert not page.all(class_="picture")


def test_accuracy_over_votes_is_what_evaluations_give(result):
    codes = CODES.copy()
    codes[7] = codes[41]
    curve = vote_curve(result)
    assert [k for k, _ in curve] == [*range(1, 11)]
    for k, accuracy in curve:
        assert accuracy == evaluate(codes, LABELS, vote=Vote(k)).voted


def test_curves_stand_in_tables_too(tmp_path, result):
    page = written(tmp_path, result)
    rows = page.one("section", id="vote").one("tbody").all("tr")
    assert [row.all("td")[0].text for row in rows] == [
        f"{accuracy.value:.4f}" for _, accuracy in vote_curve(result)
    ]
    rows = page.one("section", id="calibration").one("tbody").all("tr")
    assert [int(row.all("td")[2].text) for row in rows] == [
        each.accuracy.total for each in result.calibration.bins
    ]


def test_a_matrix_of_many_classes_is_left_out(tmp_path):
    page = written(tmp_path, evaluate(RNG.standard_normal((120, 4)), np.arange(120) // 2))
    assert "The matrix of 60 classes is left out" in page.one("section", id="confusion").text
    assert not page.one("section", id="confusion").all("table")


def test_answers_that_are_all_right_are_told(tmp_path):
    result = evaluate(CENTRES, LABELS)
    page = written(tmp_path, result, pictures=PICTURES)
    assert page.one("section", id="errors").text.endswith("Every item is right.")
    assert page.one("section", id="pairs").text.endswith("No item is taken for another class.")


def test_one_code_and_one_item_make_a_page(tmp_path):
    result = evaluate(CODES[:1], LABELS[:1], test=(ITEMS[:1], ["axolotl"]))
    page = written(tmp_path, result, pictures=PICTURES[:1], neighbour_pictures=PICTURES[:1])
    assert "Nothing can get 1 of them right" in page.one("section", id="summary").text


def test_headings_are_what_the_links_lead_to(tmp_path, result):
    page = written(tmp_path, result, title="Codes & more")
    assert page.one("h1").text == page.one("title").text == "Codes & more"
    for link in page.one("nav").all("a"):
        target = page.one(id=link.attributes["href"].removeprefix("#"))
        assert target.one("h2").text == link.text


def test_the_same_evaluation_makes_the_same_page(tmp_path, result):
    write_page(result, tmp_path / "one.html", codes=CODES, pictures=PICTURES)
    write_page(result, tmp_path / "two.html", codes=CODES, pictures=PICTURES)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


# What is loaded


def test_nothing_is_loaded_from_elsewhere(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES)
    named = [
        value
        for element in page.all()
        for name, value in element.attributes.items()
        if name in ("src", "href", "action", "srcset", "poster")
    ]
    assert named
    assert all(value.startswith(("#", "data:")) for value in named)
    assert not re.findall(r"@import|url\((?!data:)", page.one("style").text)
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


@pytest.mark.parametrize("options", [{}, {"texts": ["</q><script>wrong()</script>"] * 60}])
def test_names_and_texts_cannot_become_markup(tmp_path, options):
    name = "</script><img src=x onerror=wrong()>"
    labels = np.where(LABELS == "cat", name, LABELS)
    page = written(tmp_path, evaluate(CODES, labels), codes=CODES, title=name, **options)
    assert page.one("h1").text == name
    others = written(tmp_path, evaluate(CODES, LABELS), codes=CODES)
    assert len(page.all("script")) == len(others.all("script"))
    assert not page.all("img")


# Sheets of pictures


def test_small_sheets_keep_every_pixel_and_colour():
    pictures = RNG.integers(0, 256, (150, 8, 8, 3), dtype=np.uint8)
    made = sheet.make_sheet(pictures, len(pictures))
    assert made.uri.startswith("data:image/png;base64,")
    assert (made.columns, made.rows, made.side) == (128, 2, 8)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2]))))
    assert np.array_equal(pixels[8:16, 8 * 21 : 8 * 22], pictures[149])


def test_large_pictures_are_reduced_and_transparent_ones_stand_on_white():
    picture = np.zeros((1, 300, 100, 4), np.uint8)
    made = sheet.make_sheet(picture, 1)
    assert made.side == 64
    assert np.all(np.asarray(Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2])))) == 255)


def test_large_sheets_are_jpeg_of_a_quality_that_fits(monkeypatch):
    monkeypatch.setattr(sheet, "_MOST_BYTES", 20_000)
    made = sheet.make_sheet(RNG.integers(0, 40, (240, 16, 16, 1), dtype=np.uint8), 240)
    assert made.uri.startswith("data:image/jpeg;base64,")
    assert len(made.uri) < 27_000


def test_many_pictures_become_smaller(monkeypatch):
    monkeypatch.setattr(sheet, "_MOST_PIXELS", 64 * 60)
    assert sheet.make_sheet(PICTURES[..., None], 60).side == 8


def test_pictures_beyond_the_most_are_named(tmp_path, result, monkeypatch):
    monkeypatch.setattr(looks, "MOST_LOOKS", 3)
    page = written(tmp_path, result, pictures=PICTURES)
    assert len({each.attributes["style"] for each in page.one("main").all(class_="picture")}) == 3
    assert page.one("main").all(class_="number")


@pytest.mark.parametrize(
    "pictures",
    [
        PICTURES / 255,
        (PICTURES / 255).astype(np.float32),
        PICTURES.astype(int),
        PICTURES.tolist(),
        PICTURES[..., None],
    ],
)
def test_pictures_of_every_form_are_the_same(tmp_path, result, pictures):
    pages = [pixels_of(written(tmp_path, result, pictures=each)) for each in (PICTURES, pictures)]
    assert np.array_equal(*pages)


def test_truth_values_are_black_and_white(tmp_path, result):
    assert set(np.unique(pixels_of(written(tmp_path, result, pictures=PICTURES > 99)))) == {0, 255}


# What is refused


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pictures": PICTURES[:9]}, ValueError, "pictures must have one picture each of 60, received 9"),
        (
            {"pictures": PICTURES[0]},
            ValueError,
            r"pictures must have shape \(n, h, w\) or .*, received \(9, 7\)",
        ),
        ({"pictures": PICTURES[..., None].repeat(2, 3)}, ValueError, r"received \(60, 9, 7, 2\)"),
        ({"pictures": PICTURES[:, :0]}, ValueError, r"received \(60, 0, 7\)"),
        ({"pictures": PICTURES.astype(float)}, ValueError, "from 0 to 1, received values from 0.0 to 255.0"),
        ({"pictures": PICTURES.astype(int) - 1}, ValueError, "from 0 to 255, received values from -1"),
        ({"pictures": np.full((60, 9, 7), np.nan)}, ValueError, "received values from nan to nan"),
        ({"pictures": PICTURES.astype(str)}, TypeError, "pictures must be numbers from 0 to 255"),
        ({"pictures": PICTURES, "texts": TEXTS}, ValueError, "pass pictures or texts, not both"),
        ({"neighbour_pictures": PICTURES}, ValueError, "are for evaluations of test items"),
        ({"texts": TEXTS[:3]}, ValueError, "texts must be one each of 60, received 3"),
        ({"texts": "cat"}, TypeError, "received a single string"),
        ({"texts": [1] * 60}, TypeError, "texts must be strings, number 0 is of type int"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, result, options, error, message):
    (tmp_path / "page.html").write_text("an older page")
    with pytest.raises(error, match=message):
        write_page(result, tmp_path / "page.html", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "an older page"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pictures": PICTURES[:15], "neighbour_texts": TEXTS}, "must both have pictures, or both texts"),
        (
            {"pictures": PICTURES[:15], "neighbour_pictures": PICTURES[..., None].repeat(3, 3)},
            "pictures have 1 channels, and neighbour_pictures have 3",
        ),
        ({"neighbour_pictures": PICTURES[:3]}, "neighbour_pictures must have one picture each of 60"),
    ],
)
def test_looks_of_items_and_codes_must_fit(tmp_path, options, message):
    result = evaluate(CODES, LABELS, test=(ITEMS, TRUTH))
    with pytest.raises(ValueError, match=message):
        write_page(result, tmp_path / "page.html", **options)


def test_a_path_that_cannot_be_written_is_named(tmp_path, result):
    with pytest.raises(FileNotFoundError, match="make the folder first"):
        write_page(result, tmp_path / "nowhere" / "page.html")


def test_a_missing_library_is_told_with_what_to_install():
    script = """
        import sys
        sys.modules["bokeh"] = None
        import latentknn as lk
        try:
            lk.pages
        except ModuleNotFoundError as error:
            print(error)
    """
    assert 'pip install "latentknn[page]"' in run_script(script)


def test_pages_need_no_import_of_their_own():
    assert lk.pages.write_page is write_page


FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_page_of_fashion_mnists_test_set_can_be_mailed(tmp_path, monkeypatch):
    """With as many pictures as a page may have, of codes that are made soon: pixels of smaller images."""
    data = lk.datasets.load("fashion_mnist", FASHION_MNIST)
    known, tested = data.train_images[:15_000], data.test_images
    codes, items = (each[:, 2::4, 2::4].reshape(len(each), -1) for each in (known, tested))
    result = evaluate(codes, data.train_labels[:15_000], test=(items, data.test_labels))
    monkeypatch.setattr(placing, "project", lambda codes, seed: codes[:, 20:22].astype(np.float32))
    page = written(tmp_path, result, codes=items, pictures=tested, neighbour_pictures=known)
    numbers = [*map_data(page)["looks"], *chain(*map_data(page)["neighbourLooks"])]
    assert max(number for number in numbers if number is not None) == looks.MOST_LOOKS - 1
    assert (tmp_path / "page.html").stat().st_size < 15_000_000


# The map


def map_data(page):
    return json.loads(page.one("script", id="map-data").text)


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
