"""Codes with pictures and texts, and helpers, that several files of tests of pages share."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from latentknn.evaluation import evaluate
from latentknn.pages import placing, write_page
from page_reader import read_page

RNG = np.random.default_rng(0)
LABELS = np.repeat(["cat", "dog", "eel"], 20)
CENTRES = np.repeat(np.eye(3, 6), 20, axis=0)
CODES = CENTRES + 0.5 * RNG.standard_normal((60, 6))
ITEMS, TRUTH = CODES[::4] + 0.1, LABELS[::4]
PICTURES = RNG.integers(0, 256, (60, 9, 7), dtype=np.uint8)
TEXTS = [f"text of {label} {number}" for number, label in enumerate(LABELS)]


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


def map_data(page):
    return json.loads(page.one("script", id="map-data").text)


FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


needs_fashion_mnist = pytest.mark.skipif(
    not FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


def write_fashion_mnist(folder, patch):
    """Write the page of all test images, of codes that are made soon: pixels of smaller images.

    Reconstructions are these pixels again, and generated images are means of classes.
    """
    data = lk.datasets.load("fashion_mnist", FASHION_MNIST)
    known, tested = data.train_images[:15_000], data.test_images
    codes, items = (each[:, 2::4, 2::4].reshape(len(each), -1) for each in (known, tested))
    result = evaluate(codes, data.train_labels[:15_000], test=(items, data.test_labels))
    patch.setattr(placing, "find_spec", lambda name: None)
    patch.setattr(placing, "project", lambda codes, seed: codes[:, 20:22].astype(np.float32))
    means = [known[data.train_labels[:15_000] == number].mean(axis=0) / 255 for number in range(10)]
    page = written(
        folder,
        result,
        codes=items,
        pictures=tested,
        neighbour_pictures=known,
        reconstructions=np.repeat(np.repeat(tested[:, 2::4, 2::4], 4, axis=1), 4, axis=2),
        samples=np.array(means),
    )
    return result, page
