"""Fetching a data set from its Debian package into the cache, as a whole or not at all."""

import dataclasses
import shutil
import subprocess

import pytest

from dataset_files import assert_holds, write_folder
from latentknn import datasets
from latentknn.datasets import published
from latentknn.datasets.readers import IDX_FILES, PARTS


@pytest.fixture
def archive(tmp_path, monkeypatch, places, arrays):
    """Put an apt-get on the path that downloads a real package of the small data set."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed, so no package can be built or unpacked")
    root = tmp_path / "root"
    write_folder(root / places["debian"].relative_to("/"), arrays, compressed=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: small\n"
    )
    subprocess.run(["dpkg-deb", "--build", root, tmp_path / "package.deb"], check=True, capture_output=True)

    def write_apt_get(script):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin/apt-get").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/apt-get").chmod(0o755)

    write_apt_get(f'test "$*" = "download dataset-fashion-mnist" && cp {tmp_path}/package.deb .')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return write_apt_get


def test_fetch_unpacks_the_package_into_the_cache(archive, places, arrays):
    assert datasets.fetch("fashion_mnist") == places["cache"]
    assert sorted(file.name for file in places["cache"].iterdir()) == sorted(
        f"{name}.gz" for name in IDX_FILES.values()
    )
    assert list(places["cache"].parent.iterdir()) == [places["cache"]]
    assert_holds(datasets.load("fashion_mnist"), arrays)

    archive("exit 1")
    assert datasets.fetch("fashion_mnist") == places["cache"]


def test_a_failed_fetch_leaves_nothing(archive, places, monkeypatch):
    archive("echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(datasets.DatasetNotFoundError, match="Unable to locate package"):
        datasets.fetch("fashion_mnist")
    archive("exit 0")
    with pytest.raises(datasets.DatasetNotFoundError, match="downloaded no package"):
        datasets.fetch("fashion_mnist")
    archive("echo nonsense > package.deb")
    with pytest.raises(datasets.DatasetNotFoundError, match="dpkg-deb --extract"):
        datasets.fetch("fashion_mnist")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(datasets.DatasetNotFoundError, match="apt-get is not installed"):
        datasets.fetch("fashion_mnist")
    assert list(places["cache"].parent.iterdir()) == []


def test_an_altered_package_does_not_reach_the_cache(archive, places, monkeypatch):
    altered = dict.fromkeys(PARTS, "0" * 64)
    monkeypatch.setitem(
        published.PUBLISHED,
        "fashion_mnist",
        dataclasses.replace(published.PUBLISHED["fashion_mnist"], checksums=altered),
    )
    with pytest.raises(datasets.DatasetCorruptError, match="not the published fashion_mnist"):
        datasets.fetch("fashion_mnist")
    assert list(places["cache"].parent.iterdir()) == []


def test_fetch_knows_what_has_a_package():
    with pytest.raises(ValueError, match=r"no Debian package holds the data set 'mnist'.*fashion_mnist"):
        datasets.fetch("mnist")
