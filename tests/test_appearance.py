"""What a notebook, and the prompt, shows of indexes, results, predictions, data sets and experiments."""

from __future__ import annotations

import base64
import io
import pickle
import re
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from latentknn.datasets import Dataset, LabelledItems, from_arrays
from latentknn.evaluation import evaluate, run_experiment
from test_public_names import NAMES

EVIL = "<script>alert('1 & 2')</script>"
VOID = {"img", "br"}


class Page(HTMLParser):
    """Reads a piece of HTML strictly: every tag is closed, in its order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def pictures(self) -> list[Image.Image]:
        uris = [value for name, value in self.attributes if name == "src"]
        assert all(uri.startswith("data:image/png;base64,") for uri in uris)
        return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


def page(thing: object) -> Page:
    html = thing._repr_html_()
    assert len(html) < 40_000
    return Page(html)


def images(count: int, *shape: int) -> Dataset:
    generator = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % 2
    pixels = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return Dataset(EVIL, pixels, labels, pixels, labels, ("plain", EVIL))


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)


def test_an_index_shows_its_facts(codes):
    index = lk.CosineIndex.from_codes(codes, np.arange(3000) % 7)
    shown = page(index)
    for fact in ("3,000", "8", "of type int64", index.strategy, index.isa, "cpu, exact"):
        assert fact in shown.words
    assert "\n" not in repr(index)
    assert "none" in page(lk.CosineIndex(4)).words


def test_a_result_shows_the_first_neighbours_of_the_first_queries(codes):
    index = lk.CosineIndex.from_codes(codes, ids=np.arange(3000) + 10**12)
    result = index.search(codes[:2000], k=100)
    shown = page(result)
    for query in range(5):
        for number in range(5):
            wanted = f"{result.ids[query, number]} ({result.similarities[query, number]:.4f})"
            assert wanted in shown.words
    assert str(result.ids[5, 0]) not in shown.text
    assert str(result.ids[0, 5]) not in shown.text
    assert "1,995 more rows and 95 more neighbours a query" in shown.text
    assert repr(result).startswith("SearchResult(2,000 queries, 100 neighbours each, similarities from ")
    assert "\n" not in repr(result)


def test_a_small_result_shows_all_of_itself():
    result = lk.cosine_search([[1.0, 0.0], [0.0, 1.0]], [[3.0, 4.0]], k=2)
    shown = page(result)
    assert "1 query, 2 neighbours each: id (similarity)" in shown.words
    assert shown.words[-2:] == ["1 (0.8000)", "0 (0.6000)"]
    assert repr(result) == "SearchResult(1 query, 2 neighbours each, similarities from 0.6000 to 0.8000)"


def test_a_result_of_classes_names_the_class():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], [3, 5])
    shown = page(index.search_per_class([[1.0, 1.0]]))
    assert [w for w in shown.words if w.isalpha() or w == "neighbour 1"] == ["class", "query", "neighbour 1"]
    assert repr(index.search_per_class([[1.0, 1.0]])).startswith("SearchResult(1 query in 2 classes, ")


def test_a_result_shows_the_labels_of_its_neighbours():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], ["right", "up", EVIL])
    found = index.search([[3.0, 4.0]] * 7, k=3)
    for result in (found, pickle.loads(pickle.dumps(found))):
        shown = page(result)
        assert "7 queries, 3 neighbours each: id (similarity) and label" in shown.words
        assert shown.words.count("1 (0.8000) up") == 5
        assert f"2 (0.9899) {EVIL}" in shown.words
        assert "script" not in shown.tags
    of_classes = index.search_per_class([[3.0, 4.0]], k=1)
    assert {"0 (0.6000) right", "1 (0.8000) up"} <= set(page(of_classes).words)
    assert "none" in page(index.search([[1.0, 0.0]], k=2, at_least=[0.8])).words


def test_codes_within_a_similarity_are_shown_a_row_for_each_query(codes):
    result = lk.CosineIndex.from_codes(codes).search_radius(codes[:2000], 0.5)
    shown = page(result)
    assert repr(result) == f"RadiusResult(2,000 queries, {len(result.ids):,} codes within the similarity)"
    count = result.indptr[1]
    assert count > 5
    assert f"{count:,}" in shown.words
    for place in range(5):
        assert f"{result.ids[place]} ({result.similarities[place]:.4f})" in shown.words
    assert "… and 1,995 more queries" in shown.words


def test_queries_that_find_nothing_are_shown_too():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [1.0, 1.0]])
    shown = page(index.search_radius([[-1.0, 0.0], [1.0, 0.0]], 0.9))
    assert shown.words[1:] == ["query", "codes", "code 1", "0", "0", "1", "1", "0 (1.0000)"]
    assert page(index.search_radius(np.empty((0, 2)), 0.9)).words[1:] == ["query", "codes"]


def test_pairs_show_the_first_of_them():
    index = lk.CosineIndex.from_codes([[1.0, 0.0]] * 5, ids=[10, 11, 12, 13, 14])
    pairs = next(index.pairs_above(0.9))
    shown = page(pairs)
    assert shown.words[:7] == ["10 pairs", "id", "other id", "similarity", "10", "11", "1.0000"]
    assert "… and 5 more pairs" in shown.words
    assert repr(pairs) == "SimilarPairs(10 pairs)"


def test_items_show_their_labels_and_metadata():
    metadata = {f"column {number}": [EVIL] * 8 for number in range(7)}
    index = lk.CosineIndex(2)
    index.add([[1.0, 0.0]] * 8, [f"label {number}" for number in range(8)], metadata=metadata)
    items = index[np.arange(8)]
    shown = page(items)
    assert shown.words[0] == repr(items).removeprefix("Items(").removesuffix(")")
    assert {"id", "label", "column 0", "column 4", "label 4", EVIL} <= set(shown.words)
    assert "column 5" not in shown.words
    assert "label 5" not in shown.words
    assert "script" not in shown.tags
    assert shown.words[-1] == "… and 3 more rows and 2 more columns of metadata"
    alone = page(lk.CosineIndex.from_codes([[1.0, 0.0]])[[0]])
    assert alone.words == ["1 code of dimension 2", "id", "0"]


def test_no_object_prints_its_arrays():
    """The representation that a dataclass has by itself holds every array and every list in full."""
    own = [
        f"{package.__name__}.{name}"
        for package, name in NAMES
        if is_dataclass(value := getattr(package, name))
        and hasattr(value.__repr__, "__wrapped__")
        and any(re.search("NDArray|ArrayLike", str(field.type)) for field in fields(value))
    ]
    assert own == []
    groups = lk.Groups(list(range(10_000)), rows=np.arange(10_000))
    assert repr(groups) == "Groups(queries=<list of 10000>, rows=<int64 of shape (10000,)>, others=False)"
    item = lk.CosineIndex.from_codes(np.ones((1, 784)))[0]
    assert repr(item) == "Item(id=0, position=0, code=<float32 of shape (784,)>, label=None, metadata=None)"


def test_neighbours_that_are_missing_are_called_none():
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]])
    shown = page(index.search([[1.0, 0.0]], k=2, at_least=[0.5]))
    assert shown.words[-2:] == ["0 (1.0000)", "none"]


def test_a_result_without_queries_says_so():
    result = lk.CosineIndex.from_codes([[1.0, 0.0]]).search(np.empty((0, 2)), k=1)
    assert repr(result) == "SearchResult(0 queries, 1 neighbour each)"
    assert page(result).words == [repr(result)]


def test_a_result_on_a_device_stays_there(emulated_devices):
    index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], engine="cuda")
    result = index.search([[1.0, 0.0]], k=1, on_device=True)
    assert repr(result) == "SearchResult(1 query, 1 neighbour each, in the memory of a device)"
    assert page(result).words == [repr(result)]


def test_an_explanation_shows_what_it_prints(codes):
    many = np.random.default_rng(1).standard_normal((20_000, 64))
    index = lk.CosineIndex.from_codes(many)
    index.search(many[:10])
    explanation = index.explain()
    assert repr(explanation) == str(explanation)
    shown = page(explanation)
    for line in str(explanation).splitlines()[1:]:
        assert line in shown.words or line.startswith(" ")
    assert ("What it considered, cheapest first" in shown.words) == bool(explanation.considered)
    assert explanation.considered


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4), (200, 300, 3)])
def test_a_data_set_shows_pictures_of_every_class(shape):
    dataset = images(30, *shape)
    shown = page_of_any_length(dataset)
    assert [picture.size for picture in shown.pictures] == [pictures_size(shape)] * 2
    if shape == (6, 5):
        pixels = np.asarray(shown.pictures[1])
        assert (pixels[:, :5] == dataset.train_images[1]).all()
        assert (pixels[:, 6:11] == dataset.train_images[3]).all()


def pictures_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of eight images, of which so many pixels are shown that a side has at most 96."""
    step = -(-max(shape[:2]) // 96)
    height, width = (len(range(0, side, step)) for side in shape[:2])
    assert max(height, width) <= 96
    return 8 * width + 7, height


def page_of_any_length(thing: object) -> Page:
    return Page(thing._repr_html_())


def test_channels_that_no_picture_has_are_left_out():
    assert page(images(6, 5, 5, 2)).pictures == []


def test_codes_of_8_bits_are_no_pictures():
    codes = np.random.default_rng(0).integers(0, 256, (40, 6), dtype=np.uint8)
    items = from_arrays(codes, np.arange(40) % 2)
    assert page(items).pictures == []
    assert page(run_experiment(items)).pictures == []


def test_pictures_are_left_out_where_pillow_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    shown = page(images(6, 5, 5))
    assert "img" not in shown.tags
    assert "plain" in shown.words


def test_text_that_comes_from_data_is_escaped():
    shown = page(images(6, 5, 5))
    assert "script" not in shown.tags
    assert EVIL in shown.words
    texts = from_arrays([EVIL] * 6 + ["y"] * 6, [EVIL] * 6 + ["y"] * 6, test_share=0.5)
    shown = page(texts)
    assert "script" not in shown.tags
    experiment = run_experiment(images(40, 5, 5), lambda batch: batch.reshape(len(batch), -1)[:, :3])
    assert "script" not in page(experiment).tags


def test_only_twenty_classes_are_shown():
    labels = np.arange(100, dtype=np.int64)
    items = LabelledItems("many", np.ones((100, 3)), labels, np.ones((100, 3)), labels, (*map(str, labels),))
    shown = page(items)
    assert "… and 80 more classes" in shown.words
    assert shown.tags.count("tr") == 5 + 1 + 20


def test_an_experiment_shows_its_accuracies_and_its_errors():
    digits = lk.datasets.load("digits")
    experiment = run_experiment(digits, lambda batch: batch.reshape(len(batch), -1))
    shown = page(experiment)
    wrong = np.flatnonzero(experiment.chosen.predictions != experiment.chosen.truth)
    assert f"{experiment.chosen.accuracy.value:.4f}" in shown.words
    assert f"{len(wrong)} of 500" in shown.words
    assert len(shown.pictures) == 8
    assert all(str(position) in shown.words for position in wrong[:8])
    assert f"… and {len(wrong) - 8} more" in shown.words
    assert re.fullmatch(
        r"Experiment\('digits', function, 0 epochs, accuracy 0\.\d{4} of 500 test images by k = .*\)",
        repr(experiment),
    )


def test_an_experiment_without_errors_shows_none():
    items = np.eye(2).repeat(20, axis=0)
    experiment = run_experiment(from_arrays(items, [0] * 20 + [1] * 20, test_share=0.5))
    assert "Wrong by the chosen vote" not in page(experiment).words


def test_an_evaluation_shows_its_accuracies_and_confused_classes(codes):
    labels = np.arange(3000) % 12
    evaluation = evaluate(codes, labels)
    shown = page(evaluation)
    assert all(line in shown.words for line in evaluation.summary().splitlines())
    assert "Confused most often" in shown.words
    assert "\n" not in repr(evaluation)
    assert len(repr(evaluation)) < 200


def test_results_that_hold_arrays_have_one_short_line(codes):
    evaluation = evaluate(codes, np.arange(3000) % 12)
    parts = [evaluation.items, evaluation.classification, evaluation.hubs, evaluation.duplicates]
    parts += [evaluation.label_errors, evaluation.outliers]
    parts.append(lk.exporters.CodeTable.of(evaluation, codes, np.arange(3000) % 12))
    for part in parts:
        assert "\n" not in repr(part)
        assert len(repr(part)) < 500
    assert "neighbours=<int64 of shape (3000, 10)>" in repr(evaluation.items)


def test_a_threshold_shows_what_it_gives_and_others():
    classifier = lk.CosineKNNClassifier().fit([[1.0, 0.0], [0.0, 1.0]], ["right", EVIL])
    calibration = classifier.calibrate(
        [[4.0, 3.0], [1.0, 9.0], [-1.0, 0.0], [1.0, 4.0]], ["right", EVIL, "left", "left"], precision=0.6
    )
    assert repr(calibration) == (
        "ThresholdCalibration(similarity of at least 0.800000 for a precision of at least 0.6: "
        "precision 0.6667, recall 1.0000, F1 0.8000, false-positive rate 0.5000)"
    )
    shown = page(calibration)
    for fact in ("a precision of at least 0.6", "2 answered rightly", "2 answered wrongly, or unknown"):
        assert fact in shown.words
    assert "0.800000 (chosen)" in shown.words
    assert f"{calibration.curve.thresholds[0]:.6f}" in shown.words
    others = page(classifier.calibrate([[4.0, 3.0], [-1.0, 0.0]], ["right", "left"], positive="known"))
    assert {"the largest F1", "1 of a class that is known", "1 unknown"} <= set(others.words)


def test_an_explained_prediction_shows_neighbours_and_votes():
    codes = [[1.0, 0.0], [4.0, 3.0], [0.0, 1.0]]
    explanation = lk.CosineKNNClassifier(3).fit(codes, ["right", "right", EVIL]).explain_prediction(codes * 2)
    assert repr(explanation) == (
        "PredictionExplanation(6 queries, 3 neighbours each, margins from 0.3333 to 0.3333)"
    )
    shown = page(explanation)
    assert "script" not in shown.tags
    assert "query 0: right, by a margin of 0.3333" in shown.words
    assert f"Votes: right: 2, {EVIL}: 1" in shown.words
    assert shown.words[shown.words.index("1.000000") - 1 :][:3] == ["right", "1.000000", "1"]
    assert "… and 3 more queries" in shown.words
    classifier = lk.CosineKNNClassifier(30).fit(np.tile(np.eye(30), (2, 1)), np.arange(60) % 30)
    shown = page(classifier.explain_prediction([np.ones(30)]))
    assert "… and 20 more neighbours" in shown.words
    assert "Votes: 0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 25 more classes" in shown.words


def test_no_explained_predictions_are_a_line():
    classifier = lk.CosineKNNClassifier(1).fit([[1.0, 0.0]], ["right"])
    explanation = classifier.explain_prediction(np.empty((0, 2)))
    assert repr(explanation) == "PredictionExplanation(0 queries, 1 neighbour each)"
    assert page(explanation).words == [repr(explanation)]


def test_shards_show_their_facts(codes):
    parts = [lk.CosineIndex.from_codes(codes[:1000]), lk.CosineIndex.from_codes(codes[1000:])]
    shown = page(lk.shards.ShardedIndex(parts))
    assert {"ShardedIndex", "3,000", "8", "2"} <= set(shown.words)
