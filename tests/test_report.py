"""The page and the folder of a report."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser

import numpy as np
import pytest

import latentknn as lk
from latentknn.evaluation import Classification, Stopwatch, Vote, compare_results, run_experiment
from latentknn.report import RunFolder, write_report
from test_report_pictures import read_picture

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
