"""Reconstructions and generated images on pages, and the pages of experiments."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import latentknn as lk
from cli_cases import QUICK, refused
from latentknn.cli import main
from latentknn.datasets import LabelledItems
from latentknn.evaluation import evaluate, run_experiment
from latentknn.pages import write_experiment_page, write_page
from page_cases import CODES, LABELS, PICTURES, TEXTS, tile_of, written
from page_reader import read_page
from small_models import small_model

REBUILT = np.clip(PICTURES / 255 + np.linspace(-0.3, 0.3, 60)[:, None, None], 0, 1)
SAMPLES = np.random.default_rng(1).integers(0, 256, (70, 9, 7), dtype=np.uint8)

pytestmark = pytest.mark.usefixtures("without_umap")


@pytest.fixture(scope="module")
def result():
    return evaluate(CODES, LABELS)


@pytest.fixture(scope="module")
def digits():
    """Return digits of which some are tested."""
    digits = lk.datasets.load("digits")
    return replace(
        digits,
        train_images=digits.train_images[:400],
        train_labels=digits.train_labels[:400],
        test_images=digits.test_images[:60],
        test_labels=digits.test_labels[:60],
    )


def pairs_of(section):
    """Return item, its class, its error and the two pictures of each pair of a section."""
    for pair in section.all("li"):
        original, rebuilt = pair.all(class_="picture")
        item, name = re.fullmatch(r"item (\d+), (\w+)", original.attributes["aria-label"]).groups()
        assert rebuilt.attributes["aria-label"] == f"reconstruction of item {item}, {name}"
        error = float(re.search(r"squared error ([\d.]+)$", pair.text)[1])
        yield int(item), name, error, original, rebuilt


def test_reconstructions_stand_beside_their_items(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES, reconstructions=REBUILT)
    typical, worst = page.one("section", id="reconstructions").all("ul")
    errors = np.square(PICTURES / 255 - REBUILT).mean(axis=(1, 2))
    assert f"all items is {errors.mean():.4f}" in page.one("section", id="reconstructions").text
    shown = list(pairs_of(typical))
    assert [item for item, *_ in shown] == [place + first for place in range(7) for first in (0, 20, 40)][:20]
    assert [item for item, *_ in pairs_of(worst)] == np.argsort(-errors, kind="stable")[:12].tolist()
    for item, name, error, original, rebuilt in (*shown, *pairs_of(worst)):
        assert name == LABELS[item]
        assert error == pytest.approx(errors[item], abs=5e-5)
        for element, pixels in ((original, PICTURES[item]), (rebuilt, np.round(REBUILT[item] * 255))):
            assert np.array_equal(tile_of(page, element, 16)[3:12, 4:11], pixels)


def test_generated_images_are_shown(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES, samples=SAMPLES)
    section = page.one("section", id="samples")
    assert "64 images that the model generated" in section.text
    pictures = section.all(class_="picture")
    assert [each.attributes["aria-label"] for each in pictures] == [
        f"generated image {number}" for number in range(64)
    ]
    for number in (0, 63):
        assert np.array_equal(tile_of(page, pictures[number], 16)[3:12, 4:11], SAMPLES[number])
    assert {"samples", "reconstructions"} & {each.attributes["id"] for each in page.all("section")} == {
        "samples"
    }


def test_a_page_without_them_has_no_such_sections(tmp_path, result):
    page = written(tmp_path, result, pictures=PICTURES)
    assert not {"samples", "reconstructions"} & {each.attributes["id"] for each in page.all("section")}
    links = {link.attributes["href"] for link in page.one("nav").all("a")}
    assert not {"#samples", "#reconstructions"} & links


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reconstructions": REBUILT}, "are shown beside pictures of that shape, received no pictures"),
        ({"reconstructions": REBUILT[:7], "pictures": PICTURES}, "one picture each of 60, received 7"),
        (
            {"reconstructions": REBUILT[:, :5], "pictures": PICTURES},
            r"shape \(60, 5, 7, 1\) are shown beside pictures of that shape, received pictures of shape "
            r"\(60, 9, 7, 1\)",
        ),
        (
            {"reconstructions": REBUILT * 2, "pictures": PICTURES},
            "reconstructions of float64 must be from 0 to 1, received",
        ),
        ({"samples": SAMPLES[0], "pictures": PICTURES}, r"samples must have shape \(n, h, w\)"),
        ({"samples": SAMPLES, "texts": TEXTS}, "samples are pictures, and the items are texts"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, result, options, message):
    with pytest.raises(ValueError, match=message):
        write_page(result, tmp_path / "page.html", **options)
    assert not (tmp_path / "page.html").exists()


# Experiments


def test_the_page_of_an_experiment_shows_what_its_model_makes(tmp_path, digits):
    model = small_model("vae")
    experiment = run_experiment(digits, model, epochs=1, batch_size=64, verbose=0)
    evaluation = write_experiment_page(experiment, tmp_path / "page.html")
    assert evaluation.nearest == experiment.nearest.accuracy
    assert evaluation.voted == experiment.chosen.accuracy
    assert str(evaluation.vote) == str(experiment.chosen.vote)
    page = read_page(tmp_path / "page.html")
    assert page.one("h1").text == "vae on digits"
    section = page.one("section", id="reconstructions")
    rebuilt = model.reconstruct(digits.test_images)[..., 0]
    errors = np.square(digits.test_images / 255 - rebuilt).mean(axis=(1, 2))
    shown = [pair for part in section.all("ul") for pair in pairs_of(part)]
    assert len(shown) == 32
    for item, name, error, *_ in shown:
        assert name == digits.class_names[digits.test_labels[item]]
        assert error == pytest.approx(errors[item], abs=6e-5)
    assert len(page.one("section", id="samples").all(class_="picture")) == 64
    labels = {each.attributes["aria-label"].split()[0] for each in page.one("main").all(class_="picture")}
    assert labels == {"item", "code", "reconstruction", "generated"}


def test_the_page_of_an_autoencoder_has_no_generated_images(tmp_path, digits):
    model = small_model("simple_ae")
    experiment = run_experiment(digits, model, epochs=1, batch_size=64, verbose=0)
    write_experiment_page(experiment, tmp_path / "page.html")
    names = {each.attributes["id"] for each in read_page(tmp_path / "page.html").all("section")}
    assert "reconstructions" in names
    assert "samples" not in names


def test_codes_under_classes_have_no_page(tmp_path, digits):
    experiment = run_experiment(digits, small_model("conditional_ae"), epochs=1, batch_size=64, verbose=0)
    with pytest.raises(ValueError, match="the codes of conditional_ae depend on the class"):
        write_experiment_page(experiment, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_page_of_texts_shows_them(tmp_path):
    items, classes = np.array(TEXTS), np.arange(60) // 20
    texts = LabelledItems(
        "lines", items[::2], classes[::2], items[1::2], classes[1::2], ("cat", "dog", "eel"), "texts"
    )
    codes = dict(zip(TEXTS, CODES, strict=True))
    experiment = run_experiment(texts, lambda batch: np.stack([codes[text] for text in batch]))
    write_experiment_page(experiment, tmp_path / "page.html")
    assert {each.text for each in read_page(tmp_path / "page.html").one("main").all("q")} <= set(TEXTS)
    assert read_page(tmp_path / "page.html").one("main").all("q")


# The command line


def test_a_command_shows_reconstructions_and_generated_images(tmp_path, capsys):
    arrays = {"codes": CODES, "labels": LABELS, "images": PICTURES, "rebuilt": REBUILT, "samples": SAMPLES}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = {name: str(tmp_path / f"{name}.npy") for name in arrays}
    command = ["evaluate", files["codes"], files["labels"], "--out", str(tmp_path / "out")]
    message = refused(capsys, *command, "--samples", files["samples"])
    assert "--samples is for a page; pass --page too" in message
    message = refused(capsys, *command, "--page", "--reconstructions", files["rebuilt"])
    assert "received no pictures" in message
    options = ["--images", files["images"], "--reconstructions", files["rebuilt"]]
    assert main([*command, "--page", *options, "--samples", files["samples"]]) == 0
    names = {each.attributes["id"] for each in read_page(tmp_path / "out" / "page.html").all("section")}
    assert {"reconstructions", "samples"} <= names


def test_a_run_writes_a_page_where_it_is_asked_for(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["run", *QUICK, "--epochs", "1", "--out", str(out)]
    assert main([*command, "--page"]) == 0
    assert f"Page: {out / 'page.html'}" in capsys.readouterr().out
    page = read_page(out / "page.html")
    assert page.one("h1").text == "simple_ae on digits"
    assert page.one("section", id="reconstructions").all(class_="picture")
    # A run without one replaces it.
    assert main([*command, "--overwrite"]) == 0
    assert not (out / "page.html").exists()


def test_a_page_of_codes_under_classes_is_refused_before_anything_is_done(tmp_path, capsys):
    arguments = ["run", "--dataset", "digits", "--model", "conditional_ae", "--page"]
    message = refused(capsys, *arguments, "--out", str(tmp_path / "out"))
    assert "those of conditional_ae depend on the class" in message
    assert not (tmp_path / "out").exists()
