"""The pictures, the page and the folder of a report."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.image import imread

import latentknn as lk
from latentknn.evaluation import Classification, Stopwatch, Vote, compare_results, run_experiment
from latentknn.report import RunFolder, write_report
from latentknn.report.code_figure import draw_codes
from latentknn.report.confusion_figure import draw_confusion_matrix
from latentknn.report.drawing import COLOURS, MARKERS, save_figure
from latentknn.report.interpolation_figure import draw_interpolation
from latentknn.report.loss_figure import draw_losses
from latentknn.report.map_figure import draw_code_map
from latentknn.report.reconstruction_figure import choose_examples, draw_reconstructions
from latentknn.report.sample_figure import draw_samples

NAMES = ("T-shirt/top", "Trouser", "Ankle boot")


def read_picture(path):
    """Return the pixels of a PNG, after a check that something is drawn on it."""
    pixels = imread(path)
    assert pixels.ndim == 3
    assert pixels[..., :3].std() > 0.02
    return pixels


def saved(figure, folder):
    save_figure(figure, folder / "picture.png")
    return read_picture(folder / "picture.png")


def texts(axes):
    return [text.get_text() for text in axes.texts]


# Pictures


def test_confusion_picture(tmp_path):
    truth, predictions = np.repeat([0, 1, 2], [50, 20, 6]), np.repeat([0, 1, 2, 0], [41, 29, 0, 6])
    figure = draw_confusion_matrix(Classification(Vote(5, "softmax"), truth, predictions, NAMES))
    axes, shading = figure.axes[0], figure.axes[0].images[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(NAMES)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert axes.get_title() == "k = 5, softmax votes: 61 of 76 correct"
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "41", (1, 0): "9", (1, 1): "20", (0, 2): "6"}
    assert np.allclose(shading.get_array(), [[0.82, 0.18, 0], [0, 1, 0], [1, 0, 0]])
    saved(figure, tmp_path)


def test_confusion_picture_of_many_classes(tmp_path):
    classes = np.arange(40)
    names = tuple(f"class {number}" for number in classes)
    figure = draw_confusion_matrix(Classification(Vote(1), classes, classes, names))
    assert texts(figure.axes[0]) == []
    height, width, _ = saved(figure, tmp_path).shape
    assert max(height, width) < 3_000


def test_loss_picture(tmp_path):
    history = {"loss": [0.5, 0.3], "val_loss": [0.4, 0.35], "accuracy": [0.6, 0.7]}
    figure = draw_losses(history)
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training images", "held-out images"]
    assert [line.get_ydata().tolist() for line in loss.lines] == [[0.5, 0.3], [0.4, 0.35]]
    assert [line.get_xdata().tolist() for line in loss.lines] == [[1, 2], [1, 2]]
    assert [line.get_ydata().tolist() for line in accuracy.lines] == [[0.6, 0.7]]
    assert [tick for tick in loss.get_xticks() if 0.75 <= tick <= 2.25] == [1, 2]
    assert (loss.get_ylabel(), accuracy.get_ylabel(), loss.get_xlabel()) == ("loss", "accuracy", "epoch")
    saved(figure, tmp_path)


def test_what_an_older_version_did_not_measure_begins_later():
    loss, accuracy = draw_losses({"loss": [3.0, 2.0, 1.0], "head_accuracy": [0.5, 0.6]}).axes
    assert loss.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert accuracy.lines[0].get_xdata().tolist() == [2, 3]


def test_examples_show_every_class_before_any_twice():
    labels = np.array([2, 2, 0, 1, 0, 2, 1])
    assert choose_examples(labels).tolist() == [2, 3, 0, 4, 6, 1, 5]
    assert len(choose_examples(np.zeros(50, np.int64), rows=3)) == 30


@pytest.mark.parametrize(("count", "channels"), [(3, 1), (13, 1), (4, 3), (2, 4)])
def test_reconstruction_picture(tmp_path, count, channels):
    rng = np.random.default_rng(0)
    reconstructions = rng.random((count, 6, 5, channels), dtype=np.float32)
    originals = (255 - 255 * reconstructions).round().astype(np.uint8)
    names = [f"name {number}" for number in range(count)]
    figure = draw_reconstructions(originals, reconstructions, names)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 2 * count
    by_title = {axes.get_title(): axes for axes in shown if axes.get_title()}
    assert list(by_title) == names
    for axes, original in zip(by_title.values(), originals / 255, strict=True):
        expected = original if channels == 3 else original.mean(axis=-1)
        assert np.allclose(axes.images[0].get_array(), expected, atol=1e-6)
        columns_below = [
            other
            for other in shown
            if other.get_subplotspec().colspan == axes.get_subplotspec().colspan
            and other.get_subplotspec().rowspan.start == axes.get_subplotspec().rowspan.start + 1
        ]
        assert np.allclose(columns_below[0].images[0].get_array(), 1 - expected, atol=1 / 255)
    saved(figure, tmp_path)


def test_reconstruction_picture_of_images_without_channel_axis(tmp_path):
    reconstructions = np.random.default_rng(0).random((2, 4, 4, 1), dtype=np.float32)
    figure = draw_reconstructions(np.full((2, 4, 4), 255, np.uint8), reconstructions, ["a", "b"])
    assert (figure.axes[0].images[0].get_array() == 1).all()


def test_loss_picture_of_many_quantities(tmp_path):
    history = {
        "a": [1.0, 1.0],
        "loss": [3.0, 2.0],
        "b": [2.0, 1.0],
        "val_b": [1.0, 1.0],
        "val_knn": [0.5, 0.7],
    }
    figure = draw_losses(history)
    panels = {axes.get_ylabel(): axes for axes in figure.axes if axes.axison}
    assert list(panels) == ["loss", "a", "b", "knn"]
    assert [line.get_label() for line in panels["knn"].lines] == ["held-out images"]
    assert [line.get_ydata().tolist() for line in panels["b"].lines] == [[2.0, 1.0], [1.0, 1.0]]
    saved(figure, tmp_path)


def shown_images(figure):
    """Return the picture's images by row and column of its grid."""
    return {
        (axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start): axes.images[
            0
        ].get_array()
        for axes in figure.axes
        if axes.images and axes.get_subplotspec() is not None
    }


def test_sample_picture(tmp_path):
    rng = np.random.default_rng(0)
    samples = {epoch: rng.random((3, 5, 4, 1), np.float32) for epoch in (9, 2, 1, 4, 3, 7, 8, 5)}
    figure = draw_samples(samples)
    assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == [
        f"epoch {epoch}" for epoch in (1, 2, 4, 5, 8, 9)
    ]
    images = shown_images(figure)
    assert len(images) == 18
    assert np.array_equal(images[5, 2], samples[9][2, ..., 0])
    assert np.array_equal(images[2, 0], samples[4][0, ..., 0])
    saved(figure, tmp_path)
    assert len(shown_images(draw_samples({3: samples[3]}))) == 3


def test_interpolation_picture(tmp_path):
    first, last = np.array([[0, 0], [1, 1]], np.float32), np.array([[0.9, 0], [0, 1]], np.float32)
    figure = draw_interpolation(lambda codes: codes.reshape(-1, 1, 2, 1), first, last, ["a", "b"])
    images = shown_images(figure)
    assert len(images) == 20
    for row in range(2):
        for column in range(10):
            expected = first[row] + (last[row] - first[row]) * column / 9
            np.testing.assert_allclose(images[row, column], [expected], atol=1e-6)
    saved(figure, tmp_path)


@pytest.mark.parametrize(("dim", "side"), [(7, 3), (16, 4), (1, 1)])
def test_code_picture(tmp_path, dim, side):
    rng = np.random.default_rng(0)
    decoded, codes = rng.random((4, 6, 6, 1), np.float32), rng.standard_normal((4, dim)).astype(np.float32)
    figure = draw_codes((255 - 255 * decoded).astype(np.uint8), codes, decoded, ["a", "b", "c", "d"])
    images = shown_images(figure)
    for column in range(4):
        cells = images[1, column]
        assert cells.shape[1] == side
        assert np.array_equal(cells.ravel()[:dim], codes[column])
        assert np.isnan(np.asarray(cells.ravel()[dim:])).all()
        assert np.array_equal(images[2, column], decoded[column, ..., 0])
        np.testing.assert_allclose(images[0, column], 1 - decoded[column, ..., 0], atol=1 / 255)
    saved(figure, tmp_path)


def test_code_map(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.array([0, 2, 2, 0, 2, 0])  # no code of class 1
    positions = rng.standard_normal((6, 2)).astype(np.float32)
    figure = draw_code_map(positions, labels, NAMES)
    axes = figure.axes[0]
    for points, label in zip(axes.collections, (0, 2), strict=True):
        assert np.array_equal(points.get_offsets(), positions[labels == label])
    assert texts(axes) == [NAMES[0], NAMES[2]]
    for name, label in zip(axes.texts, (0, 2), strict=True):
        assert name.get_position() in [tuple(point) for point in positions[labels == label]]
    assert [text.get_text() for text in axes.get_legend().texts] == [NAMES[0], NAMES[2]]
    saved(figure, tmp_path)


def test_code_map_of_many_classes(tmp_path):
    labels = np.arange(80)
    figure = draw_code_map(np.random.default_rng(0).random((80, 2)), labels, tuple(map(str, labels)))
    assert figure.axes[0].get_legend() is None
    looks = {
        (tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in figure.axes[0].collections
    }
    assert len(looks) == 80


def test_colours_and_markers_are_distinct():
    assert len(set(COLOURS)) == len(COLOURS)
    assert len(set(MARKERS)) == len(MARKERS)


# Folder


def test_folder_clears_its_own_files_only(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.is_empty()
    folders = [folder.checkpoint, folder.epochs]
    own = [path for path in vars(folder).values() if path not in (folder.path, *folders)]
    for each in folders:
        each.mkdir()
    for path in (*own, *(each / "a file" for each in folders), tmp_path / "notes.txt"):
        path.write_text("here")
    assert not folder.is_empty()
    folder.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_missing_folder_is_empty(tmp_path):
    assert RunFolder(tmp_path / "new").is_empty()


# The whole report


class LinkReader(HTMLParser):
    """Collects the links and the text of a page."""

    def __init__(self):
        super().__init__()
        self.links = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def experiment():
    """Return an experiment with colour images, awkward class names and a class without test images."""
    rng = np.random.default_rng(0)
    train_labels, test_labels = rng.integers(0, 4, 120), rng.integers(0, 3, 40)
    patterns = rng.integers(0, 200, (4, 6, 5, 3))
    train_images, test_images = (
        (patterns[labels] + rng.integers(0, 56, (len(labels), 6, 5, 3))).astype(np.uint8)
        for labels in (train_labels, test_labels)
    )
    dataset = lk.datasets.Dataset(
        "tiles", train_images, train_labels, test_images, test_labels, ("<b>", "a & b", '"c"', "größer")
    )
    model = lk.models.create("simple_ae", input_shape=(6, 5, 3), latent_dim=4, seed=1)
    return run_experiment(dataset, model, epochs=1, seed=1, threads=2, verbose=0)


@pytest.fixture(scope="module")
def folder(experiment, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("report") / "new" / "folder")
    stopwatch = Stopwatch()
    with stopwatch.measure("train", 110, "images"):
        pass
    write_report(experiment, folder, stopwatch)
    return folder


def test_page_shows_everything(folder, experiment):
    html = folder.page.read_text(encoding="utf-8")
    page = LinkReader()
    page.feed(html)
    files = {path.name for path in folder.path.iterdir()}
    assert set(page.links) == files - {"index.html"}
    assert "<b>" not in html
    for text in (
        *experiment.dataset.class_names,
        "simple_ae on tiles",
        f"{experiment.chosen.accuracy.value:.4f}",
        *(comparison.sentence for comparison in compare_results(experiment)),
    ):
        assert text in page.text
    for stage in ("train", "t-SNE of test codes", "draw pictures"):
        assert stage in page.text


def test_pictures_of_a_report(folder):
    pictures = sorted(folder.path.glob("*.png"))
    assert len(pictures) == 8
    for path in pictures:
        read_picture(path)


def test_record_is_complete(folder, experiment):
    record = json.loads(folder.record.read_text(encoding="utf-8"))
    assert record["dataset"]["class_names"] == list(experiment.dataset.class_names)
    assert record["dataset"]["image_shape"] == [6, 5, 3]
    assert record["model"]["name"] == "simple_ae"
    assert record["model"]["config"]["latent_dim"] == 4
    assert record["model"]["parameters"] == experiment.model.count_params()
    assert record["training"]["images_trained_on"] == 110
    assert record["training"]["images_held_out"] == 10
    assert record["training"]["seed"] == 1
    assert record["training"]["history"] == experiment.history
    assert record["index"]["codes"] == 120
    assert record["environment"]["threads"] == 2
    assert record["environment"]["cpu"]
    assert record["environment"]["versions"]["numpy"] == np.__version__
    assert [stage["name"] for stage in record["stages"]] == [
        "train",
        "t-SNE of test codes",
        "t-SNE of decoded images",
        "draw pictures",
    ]
    assert len(record["choice"]["candidates"]) == len(experiment.vote_scores)
    for name, result in zip(("pixels", "nearest", "chosen"), experiment.results.values(), strict=True):
        written = record["results"][name]
        assert np.sum(written["confusion_matrix"]) == written["total"] == 40
        assert np.trace(written["confusion_matrix"]) == written["correct"]
        assert written["accuracy"] == result.accuracy.value
        assert written["accuracy_interval_95"] == list(result.accuracy.interval())
        assert set(experiment.dataset.class_names) < set(written["classification_report"])


def test_record_compares_the_results(folder, experiment):
    first, *others = json.loads(folder.record.read_text(encoding="utf-8"))["comparisons"]
    codes, pixels = (result.predictions == result.truth for result in (experiment.nearest, experiment.pixels))
    assert (first["first"], first["second"]) == ("nearest", "pixels")
    assert first["only_first"] == np.sum(codes & ~pixels)
    assert first["only_second"] == np.sum(pixels & ~codes)
    low, high = first["difference_interval_95"]
    assert low <= first["difference"] <= high
    assert first["difference"] == pytest.approx(np.mean(codes) - np.mean(pixels))
    assert 0 < first["p_value"] <= 1
    assert [each["first"] for each in others] == ["chosen"] * (experiment.chosen.vote.k > 1)


def test_a_chosen_vote_is_compared_with_the_nearest_code(experiment):
    """A vote of one neighbour is the nearest code, and there is nothing to compare."""
    right = np.arange(40) % 4 != 0
    truth = experiment.dataset.test_labels
    names = experiment.dataset.class_names
    chosen = Classification(Vote(5), truth, truth, names)
    nearest = Classification(Vote(1), truth, np.where(right, truth, 3), names)
    changed = dataclasses.replace(experiment, chosen=chosen, nearest=nearest)
    with_pixels, with_nearest = compare_results(changed)
    assert (with_nearest.first, with_nearest.second) == ("chosen", "nearest")
    assert (with_nearest.test.only_first, with_nearest.test.only_second) == (10, 0)
    assert with_nearest.sentence.startswith(
        "The chosen vote of codes is better than the nearest code: it gets 10"
    )
    assert with_pixels.sentence.count("raw pixels") == 1
    assert len(compare_results(dataclasses.replace(changed, chosen=nearest))) == 1


def test_files_of_a_report_bring_everything_back(folder, experiment):
    index = lk.CosineIndex.load(folder.index)
    assert index.codes.tobytes() == experiment.index.codes.tobytes()
    assert index.labels.tolist() == experiment.dataset.train_labels.tolist()
    encoder = lk.models.load(folder.encoder)
    assert encoder.encode(experiment.dataset.test_images).tobytes() == experiment.test_codes.tobytes()


def test_model_that_does_not_reconstruct(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(type(experiment.model), "capabilities", frozenset({"encode"}))
    folder = RunFolder(tmp_path)
    write_report(experiment, folder)
    assert not folder.reconstructions.exists()
    page = LinkReader()
    page.feed(folder.page.read_text(encoding="utf-8"))
    assert set(page.links) == {path.name for path in tmp_path.iterdir()} - {"index.html"}


def test_report_of_every_kind_of_model(experiment, tmp_path):
    """The page shows what the model can do, and nothing else."""
    options = {
        "vae": {"latent_dim": 4},
        "simple_ae": {"latent_dim": 4},
        "gan": {"filters": (4,), "latent_dim": 4},
        "conditional_ae": {"filters": (4,), "strides": (2,), "latent_dim": 4},
        "triplet": {"filters": (4,), "strides": (2,), "latent_dim": 4},
    }
    decoding = {"reconstructions", "codes", "interpolation", "samples", "decoded_map"}
    expected = {
        "vae": decoding,
        "simple_ae": decoding,
        "gan": {"samples"},
        "conditional_ae": decoding,
        "triplet": set(),
    }
    for name, own in expected.items():
        given = {"num_classes": 4} if lk.models.MODELS[name].uses_labels else {}
        model = lk.models.create(name, input_shape=(6, 5, 3), **options[name], **given)
        found = run_experiment(experiment.dataset, model, epochs=2, seed=1, threads=2, verbose=0)
        folder = RunFolder(tmp_path / name)
        write_report(found, folder)
        pictures = {path.stem for path in folder.path.glob("*.png")}
        assert pictures == own | {"confusion_matrix", "losses", "code_map"}
        page = LinkReader()
        page.feed(folder.page.read_text(encoding="utf-8"))
        assert set(page.links) == {path.name for path in folder.path.iterdir()} - {"index.html"}
        assert list(found.samples) == ([1, 2] if "samples" in own else [])
