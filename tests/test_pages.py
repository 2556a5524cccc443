"""Pages of evaluations: what they show, load and refuse. tests/test_page_in_browser.py opens one."""

from __future__ import annotations

import base64
import io
import re
from itertools import chain

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from latentknn.evaluation import Vote, evaluate
from latentknn.pages import looks, sheet, write_page
from latentknn.pages.curves import vote_curve
from new_interpreter import run_script
from page_cases import (
    CENTRES,
    CODES,
    ITEMS,
    LABELS,
    PICTURES,
    RNG,
    TEXTS,
    TRUTH,
    map_data,
    needs_fashion_mnist,
    pixels_of,
    tile_of,
    write_fashion_mnist,
    written,
)

pytestmark = pytest.mark.usefixtures("without_umap")


@pytest.fixture(scope="module")
def result():
    codes = CODES.copy()
    codes[7] = codes[41]
    return evaluate(codes, LABELS)


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


@needs_fashion_mnist
def test_the_page_of_fashion_mnists_test_set_can_be_mailed(tmp_path, monkeypatch):
    """With as many pictures as a page may have."""
    _, page = write_fashion_mnist(tmp_path, monkeypatch)
    numbers = [*map_data(page)["looks"], *chain(*map_data(page)["neighbourLooks"])]
    assert max(number for number in numbers if number is not None) == looks.MOST_LOOKS - 1
    assert (tmp_path / "page.html").stat().st_size < 15_000_000
