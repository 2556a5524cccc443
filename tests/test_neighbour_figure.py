"""The picture of queries beside their nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

import latentknn as lk
from latentknn.report.drawing import COLOURS

DIGITS = lk.datasets.load("digits")
IMAGES, LABELS = DIGITS.train_images[:60], DIGITS.train_labels[:60]
QUERIES, TRUTH = DIGITS.test_images[:4], DIGITS.test_labels[:4]
INDEX = lk.CosineIndex.from_codes(IMAGES.reshape(60, -1), LABELS)
RESULT = INDEX.search(QUERIES.reshape(4, -1), k=3)


def shown(axes):
    """Return the pixels that axes show."""
    (picture,) = axes.get_images()
    return np.asarray(picture.get_array())


def test_each_query_stands_before_its_neighbours():
    grid = np.array(lk.report.draw_neighbours(QUERIES, RESULT, IMAGES, labels=TRUTH).axes).reshape(4, 4)
    for row in range(4):
        assert np.allclose(shown(grid[row, 0]), QUERIES[row] / 255)
        assert grid[row, 0].get_title() == f"query\n{TRUTH[row]}"
        for column in range(3):
            axes = grid[row, column + 1]
            assert np.allclose(shown(axes), IMAGES[RESULT.positions[row, column]] / 255)
            label = RESULT.labels[row, column]
            assert axes.get_title() == f"{label}\n{RESULT.similarities[row, column]:.3f}"
            assert (to_hex(axes.title.get_color()) == COLOURS[2]) == (label != TRUTH[row])


def test_labels_may_be_missing_and_answers_may_end_early():
    index = lk.CosineIndex.from_codes(IMAGES.reshape(60, -1)[:2])
    result = index.search(QUERIES.reshape(4, -1), k=3, pad=True)
    grid = np.array(lk.report.draw_neighbours(QUERIES, result, IMAGES[:2]).axes).reshape(4, 4)
    assert grid[0, 0].get_title() == "query"
    assert grid[0, 1].get_title() == f"{result.similarities[0, 0]:.3f}"
    assert grid[0, 3].get_images() == []


def test_floats_and_colours_are_drawn_as_they_are():
    colours = np.random.default_rng(0).random((60, 8, 8, 3))
    figure = lk.report.draw_neighbours(QUERIES / 255, RESULT, colours)
    assert np.array_equal(shown(figure.axes[1]), colours[RESULT.positions[0, 0]])


@pytest.mark.parametrize(
    ("queries", "images", "labels", "error", "message"),
    [
        (QUERIES[:3], IMAGES, None, ValueError, r"3 queries and a result of shape \(4, 3\)"),
        (QUERIES[:0], IMAGES, None, ValueError, "0 queries"),
        (QUERIES, IMAGES[:5], None, ValueError, "there are 5 images"),
        (QUERIES, IMAGES, TRUTH[:2], ValueError, "4 queries and 2 labels"),
        (QUERIES[0], IMAGES, None, ValueError, r"queries must have shape \(n, h, w\)"),
        (QUERIES, IMAGES.astype(int), None, TypeError, "images must be uint8, or floats"),
        (QUERIES * 1.0, IMAGES, None, ValueError, "queries go from 0.0 to"),
    ],
)
def test_what_does_not_fit_together_is_refused(queries, images, labels, error, message):
    with pytest.raises(error, match=message):
        lk.report.draw_neighbours(queries, RESULT, images, labels=labels)


def test_results_of_several_classes_are_refused():
    result = INDEX.search_per_class(QUERIES.reshape(4, -1), k=1)
    with pytest.raises(ValueError, match="a row of the result for each"):
        lk.report.draw_neighbours(QUERIES, result, IMAGES)


def test_labels_of_a_series_are_those_of_its_rows():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(TRUTH, index=[3, 2, 1, 0])
    grid = lk.report.draw_neighbours(QUERIES, RESULT, IMAGES, labels=series).axes
    assert [axes.get_title() for axes in grid[::4]] == [f"query\n{label}" for label in TRUTH]


def test_labels_are_no_mathematics(tmp_path):
    figure = lk.report.draw_neighbours(QUERIES, RESULT, IMAGES, labels=["$_$", "$5 or $10", "a", "b"])
    figure.savefig(tmp_path / "drawn.png")
    assert figure.axes[0].get_title() == "query\n$_$"
