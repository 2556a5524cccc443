"""The pictures of a report."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from latentknn.evaluation import Classification, Vote
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
