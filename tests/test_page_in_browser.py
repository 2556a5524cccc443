"""A page of an evaluation in headless Chromium: a reader points, filters, types and turns the lights off."""

from __future__ import annotations

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from latentknn.pages import placing, write_page
from page_cases import needs_fashion_mnist, write_fashion_mnist

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open pages in")

PLACE_OF_POINT = """(point) => {
    const plot = drawn["map-figure"];
    const view = Bokeh.index.roots.find((each) => each.model.document === plot);
    const { x, y } = plot.get_model_by_name("map-points").data;
    const box = view.canvas_view.el.getBoundingClientRect();
    return [box.left + view.frame.x_scale.compute(x[point]), box.top + view.frame.y_scale.compute(y[point])];
}"""

# Bokeh's tools are in the shadow tree of its figure.
OUTLINE_OF_FOCUS = """(() => {
    let focused = document.activeElement;
    while (focused.shadowRoot?.activeElement) {
        focused = focused.shadowRoot.activeElement;
    }
    return getComputedStyle(focused).outlineStyle;
})()"""


@pytest.fixture(scope="module")
def digits():
    """Return pictures and their evaluation: every one of 300 among the others."""
    data = lk.datasets.load("digits")
    pictures, labels = data.train_images[:300], data.train_labels[:300]
    return pictures, lk.evaluation.evaluate(pictures.reshape(300, -1), labels)


@pytest.fixture(scope="module")
def placed(digits):
    """Return the codes of all items, and place them for every map, once."""
    codes = digits[0].reshape(300, -1)
    places = lk.evaluation.project(codes.astype(np.float32), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "find_spec", lambda name: None)
        patch.setattr(placing, "project", lambda codes, seed: places)
        yield codes


@pytest.fixture(scope="module")
def file(digits, placed, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(digits[1], path, codes=placed, pictures=digits[0])
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        # Chromium refuses its sandbox to root, as which containers test.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, file):
    """Return a function that opens the page; what is requested or goes wrong fails the test."""
    wrong, contexts = [], []

    def note_message(message):
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def note_request(request):
        is_page = request.is_navigation_request() and request.url.startswith("file:")
        if not is_page and not request.url.startswith(("data:", "blob:")):
            wrong.append(f"requested {request.url[:200]}")

    def open_page(path=file, width=1280, scheme="light"):
        contexts.append(
            browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        )
        page = contexts[-1].new_page()
        page.on("console", note_message)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", note_request)
        page.goto(path.as_uri())
        page.evaluate("ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def point_at(page, point):
    """Move the pointer to a point of the map."""
    page.locator("#map-figure").scroll_into_view_if_needed()
    page.wait_for_timeout(200)  # until Bokeh has drawn at the new place
    x, y = page.evaluate(PLACE_OF_POINT, point)
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=4)
    return x, y


def lonely_point(page, points, among=slice(None)):
    """Return that of some points whose nearest neighbour on the map, among all or some, is the farthest."""
    data = page.evaluate(
        "(() => { const { x, y } = drawn['map-figure'].get_model_by_name('map-points').data;"
        " return [Array.from(x), Array.from(y)]; })()"
    )
    places = np.array(data).T
    others = places[among]

    def loneliness(point):
        distances = np.linalg.norm(others - places[point], axis=1)
        return np.partition(distances, 1)[1]

    return max(points, key=loneliness)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_opens_offline_and_fits_its_window(opened, width, scheme):
    page = opened(width=width, scheme=scheme)
    for name in ("map-figure", "vote-figure", "calibration-figure"):
        box = page.locator(f"#{name} .bk-Figure").bounding_box()
        assert box["width"] > 0.8 * width * min(1, 1120 / width) - 60
        assert box["height"] > 200
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pointing_at_an_item_shows_it_with_its_neighbours(opened, digits):
    page = opened()
    _, evaluation = digits
    known = page.evaluate("map")
    point = lonely_point(page, range(300))
    item = known["items"][point]
    tip = page.locator("#map-tip")
    assert not tip.is_visible()
    point_at(page, point)
    tip.wait_for(state="visible")
    assert f"item {item}, {evaluation.class_names[evaluation.items.classes[item]]}" in tip.inner_text()
    assert f"{evaluation.items.similarities[item, 0]:.4f}" in tip.inner_text()
    nearest = evaluation.items.neighbours[item, 0]
    label = f"item {nearest}, {evaluation.class_names[evaluation.items.neighbour_classes[item, 0]]}"
    assert tip.locator("ol [role=img]").first.get_attribute("aria-label") == label
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_choosing_an_item_shows_all_its_neighbours(opened):
    page = opened()
    point = lonely_point(page, range(300))
    page.mouse.click(*point_at(page, point))
    chosen = page.locator("#map-item")
    chosen.get_by_text(f"item {page.evaluate('map.items')[point]},").wait_for()
    assert chosen.locator("li").count() == 5


def test_filters_hide_all_other_items(opened, digits):
    page = opened()
    items = digits[1].items
    pair = digits[1].confused[0]
    names = digits[1].class_names
    page.locator("#map-truth").select_option(label=pair.truth)
    page.locator("#map-predicted").select_option(label=pair.predicted)
    unit = "item" if pair.count == 1 else "items"
    assert page.locator("#map-count").inner_text() == f"{pair.count} {unit}"
    shown = np.array(page.evaluate("drawn['map-figure'].get_model_by_name('map-filter').booleans"))
    order = page.evaluate("map.items")
    wanted = (items.classes == names.index(pair.truth)) & (items.predictions == names.index(pair.predicted))
    assert np.array_equal(shown, wanted[order])
    # An item that is hidden cannot be pointed at, and comes back with the others.
    hidden = lonely_point(page, np.flatnonzero(~shown).tolist())
    point_at(page, hidden)
    page.wait_for_timeout(300)
    assert not page.locator("#map-tip").is_visible()
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("300 items", exact=True).first.wait_for()
    point_at(page, hidden)
    page.locator("#map-tip").wait_for(state="visible")


def test_filtered_points_are_gone_from_the_picture(opened):
    page = opened()
    figure = page.locator("#map-figure")

    def colourful():
        page.wait_for_timeout(400)
        pixels = np.asarray(Image.open(io.BytesIO(figure.screenshot())).convert("RGB")).astype(int)
        return np.sum(np.ptp(pixels[60:], axis=2) > 60)

    everything = colourful()
    page.locator("#map-wrong").check()
    assert colourful() < 0.5 * everything


def test_a_confused_pair_leads_to_its_items_on_the_map(opened, digits):
    page = opened()
    pair = digits[1].confused[0]
    page.locator("#pairs button").first.click()
    selected = "(name) => document.getElementById(name).selectedOptions[0].textContent"
    assert page.evaluate(selected, "map-truth") == pair.truth
    assert page.evaluate(selected, "map-predicted") == pair.predicted
    assert page.locator("#map-count").inner_text().startswith(str(pair.count))
    assert page.evaluate("document.activeElement.id") == "map-truth"


def test_the_keyboard_reaches_filters_and_items(opened, digits):
    page = opened()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert page.evaluate(OUTLINE_OF_FOCUS) != "none", f"the focus on {reached[-1]} cannot be seen"
        if reached[-1] == "map-number":
            break
    assert reached[-1] == "map-number"
    assert {"map-truth", "map-predicted", "map-wrong"} <= set(reached)
    page.keyboard.press("Control+A")
    page.keyboard.type("17")
    page.keyboard.press("Enter")
    page.locator("#map-item").get_by_text("item 17,").wait_for()
    page.locator("#map-truth").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#map-count").inner_text() == f"{np.sum(digits[1].items.classes == 0)} items"


def test_pictures_are_what_they_are_said_to_be(opened, digits):
    page = opened()
    picture = page.locator("#errors .picture").first
    item = int(re.match(r"item (\d+),", picture.get_attribute("aria-label"))[1])
    drawn = Image.open(io.BytesIO(picture.screenshot())).convert("L").resize((8, 8), Image.Resampling.BOX)
    expected = digits[0][item].reshape(8, 8)
    assert np.corrcoef(np.asarray(drawn).ravel(), expected.ravel())[0, 1] > 0.98


def test_figures_follow_the_lights(opened):
    page = opened()

    def colours():
        return page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,"
            " drawn['vote-figure'].roots()[0].below[0].axis_label_text_color,"
            " drawn['map-figure'].get_model_by_name('map-glyphs').glyph.line_color.value]"
        )

    light = colours()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'")
    dark = colours()
    assert all(first != second for first, second in zip(light, dark, strict=True))
    for ink, _, axis, outline in (light, dark):
        assert axis == outline
        assert tuple(int(number) for number in re.findall(r"\d+", ink)) == tuple(bytes.fromhex(axis[1:]))


def test_a_page_of_texts_shows_them_on_pointing(opened, digits, placed, tmp_path):
    texts = [f"the text of number {number} <b>& more</b>" for number in range(300)]
    write_page(digits[1], tmp_path / "texts.html", codes=placed, texts=texts)
    page = opened(tmp_path / "texts.html")
    point = lonely_point(page, range(300))
    point_at(page, point)
    page.locator("#map-tip").wait_for(state="visible")
    assert texts[page.evaluate("map.items")[point]] in page.locator("#map-tip").inner_text()


@needs_fashion_mnist
def test_the_page_of_fashion_mnists_test_set_is_used(opened, tmp_path, monkeypatch):
    """A reader opens it on a narrow screen in the dark, filters, points, chooses, and looks at pictures."""
    evaluation, _ = write_fashion_mnist(tmp_path, monkeypatch)
    page = opened(tmp_path / "page.html", width=400, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#map-count").inner_text() == "10,000 items"
    worst = evaluation.confused[0]
    page.locator("#pairs button").first.click()
    assert page.locator("#map-count").inner_text() == f"{worst.count} items"
    shown = np.array(page.evaluate("drawn['map-figure'].get_model_by_name('map-filter').booleans"))
    point = lonely_point(page, np.flatnonzero(shown)[:50].tolist(), among=shown)
    item = page.evaluate("map.items")[point]
    point_at(page, point)
    page.locator("#map-tip").wait_for(state="visible")
    assert f"taken for {worst.predicted}" in page.locator("#map-tip").inner_text()
    page.mouse.move(2, 2)
    page.locator("#map-number").fill(str(item))
    page.get_by_role("button", name="Show", exact=True).click()
    chosen = page.locator("#map-item")
    chosen.get_by_text(f"item {item}, {worst.truth}").wait_for()
    assert chosen.locator("li").count() == 5
    for name, count in (("reconstructions", 64), ("samples", 10)):
        page.locator(f"nav a[href='#{name}']").click()
        pictures = page.locator(f"#{name} [role=img]")
        assert pictures.count() == count
        pixels = np.asarray(Image.open(io.BytesIO(pictures.last.screenshot())).convert("L"))
        assert pixels.std() > 5
    page.locator("#errors summary").nth(1).click()
    assert page.locator("#errors details[open]").count() >= 1
