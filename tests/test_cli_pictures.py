"""The command ``run`` on a folder of pictures, from files to a report."""

import json

import numpy as np
import pytest
from PIL import Image

import latentknn as lk
from cli_cases import refused
from latentknn.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of JPEG pictures of Fashion-MNIST: 30 of every class, and one of another."""
    try:
        fashion = lk.datasets.load("fashion_mnist")
    except lk.datasets.DatasetNotFoundError:
        pytest.skip("Fashion-MNIST is not there: latentknn datasets fetch fashion_mnist")
    folder = tmp_path_factory.mktemp("pictures")
    for part, images, labels, count in (
        ("train", fashion.train_images, fashion.train_labels, 30),
        ("test", fashion.test_images, fashion.test_labels, 10),
    ):
        for number, name in enumerate(fashion.class_names):
            place = folder / part / name.replace("/", " or ")
            place.mkdir(parents=True)
            for row in np.flatnonzero(labels == number)[:count]:
                Image.fromarray(images[row]).save(place / f"{row:05}.jpg", quality=95)
    (folder / "train" / "Hat").mkdir()
    Image.fromarray(fashion.train_images[0]).save(folder / "train" / "Hat" / "0.png")
    return folder


def test_a_folder_of_pictures_comes_to_a_report(folder, tmp_path, capsys):
    arguments = [
        "--model",
        "deep_ae",
        "--epochs",
        "1",
        "--image-size",
        "14x14",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["run", "--dataset", "clothes", "--data", str(folder), *arguments]) == 0
    output = capsys.readouterr().out
    assert "301 training and 100 test images of shape (14, 14, 1), 11 classes" in output
    assert "Note: a single one of the training images is of Hat." in output
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    assert record["dataset"]["image_shape"] == [14, 14, 1]
    assert "T-shirt or top" in record["dataset"]["class_names"]
    assert record["results"]["pixels"]["accuracy"] > 0.5
    assert (tmp_path / "out" / "index.html").is_file()


def test_pictures_that_cannot_be_read_are_told_before_anything_is_written(folder, tmp_path, capsys):
    arguments = ["run", "--dataset", "clothes", "--out", str(tmp_path / "out"), "--data"]
    assert "28x28, received '28'" in refused(capsys, *arguments, str(folder), "--image-size", "28")
    (tmp_path / "broken" / "a").mkdir(parents=True)
    (tmp_path / "broken" / "a" / "0.jpg").write_bytes(b"nothing")
    assert "a/0.jpg cannot be read as a picture" in refused(capsys, *arguments, str(tmp_path / "broken"))
    assert "no folder of a class" not in refused(capsys, *arguments, str(tmp_path / "nowhere"))
    assert not (tmp_path / "out").exists()
