"""The page of the command ``evaluate``."""

from __future__ import annotations

import numpy as np
import pytest

from cli_cases import refused
from latentknn.cli import main, page_files
from page_reader import read_page

RNG = np.random.default_rng(0)
CODES, LABELS = RNG.standard_normal((40, 6)), np.array(["cat", "dog"] * 20)
PICTURES = RNG.integers(0, 256, (40, 5, 5), dtype=np.uint8)

pytestmark = pytest.mark.usefixtures("without_umap")


@pytest.fixture
def files(tmp_path):
    """Return the paths of codes, labels and pictures, of 40 codes and of 12 test items."""
    arrays = {"codes": CODES, "labels": LABELS, "pictures": PICTURES}
    for name, array in arrays.items():
        np.save(tmp_path / name, array)
        np.save(tmp_path / f"test_{name}", array[:12])
    return {path.stem: str(path) for path in tmp_path.iterdir()}


def command(files, *options):
    return ["evaluate", files["codes"], files["labels"], *options]


def test_a_page_with_pictures_is_written(capsys, files, tmp_path):
    out = tmp_path / "out"
    arguments = command(files, "--out", str(out), "--page", "--images", files["pictures"])
    assert main(arguments) == 0
    page = read_page(out / "page.html")
    assert page.one("h1").text == "Evaluation of codes"
    assert page.one("main").all(class_="picture")
    assert page.all("section", id="map")
    # A second evaluation without a page removes that of the first.
    assert main(command(files, "--out", str(out), "--overwrite")) == 0
    assert {path.name for path in out.iterdir()} == {"results.json", "items.csv"}


def test_a_page_of_test_items_shows_both_kinds_of_pictures(files, tmp_path):
    arguments = command(files, "--test", files["test_codes"], files["test_labels"], "--page")
    pictures = ["--images", files["test_pictures"], "--neighbour-images", files["pictures"]]
    assert main([*arguments, *pictures, "--out", str(tmp_path / "out")]) == 0
    page = read_page(tmp_path / "out" / "page.html")
    labels = {each.attributes["aria-label"] for each in page.one("main").all(class_="picture")}
    assert {label.split()[0] for label in labels} == {"item", "code"}


@pytest.mark.parametrize("form", ["lines.txt", "strings.npy"])
def test_a_page_of_texts_is_written(files, tmp_path, form):
    texts = [f"a text, number {number}" for number in range(40)]
    if form == "lines.txt":
        (tmp_path / form).write_text("\n".join(texts), encoding="utf-8")
    else:
        np.save(tmp_path / form, texts)
    out = tmp_path / "out"
    assert main(command(files, "--out", str(out), "--page", "--texts", str(tmp_path / form))) == 0
    assert {each.text for each in read_page(out / "page.html").one("main").all("q")} <= set(texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "pictures"], "--images is for a page; pass --page too"),
        (["--neighbour-texts", "pictures"], "--neighbour-texts is for a page; pass --page too"),
        (["--page", "--images", "test_pictures"], "must have one picture each of 40, received 12"),
        (["--page", "--images", "codes"], "pictures must have shape (n, h, w)"),
        (["--page", "--neighbour-images", "pictures"], "are for evaluations of test items"),
        (
            ["--page", "--texts", "codes"],
            "must hold strings of shape (n,), it holds float64 of shape (40, 6)",
        ),
        (["--page", "--texts", "binary"], "is neither a .npy file nor text in UTF-8"),
        (["--page", "--images", "nowhere"], "nowhere cannot be read: No such file"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_done(capsys, files, tmp_path, options, message):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    files |= {"binary": str(tmp_path / "binary"), "nowhere": str(tmp_path / "nowhere")}
    named = [files.get(option, option) for option in options]
    assert message in refused(capsys, *command(files, "--out", str(tmp_path / "out"), *named))
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_told_before_anything_is_done(capsys, files, tmp_path, monkeypatch):
    monkeypatch.setattr(page_files, "find_spec", lambda name: None)
    message = refused(capsys, *command(files, "--out", str(tmp_path / "out"), "--page"))
    assert 'pip install "latentknn[page]"' in message
    assert not (tmp_path / "out").exists()
