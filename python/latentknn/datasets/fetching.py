"""Downloading a published data set from Debian's package archive, without root."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from latentknn.datasets.errors import DatasetNotFoundError
from latentknn.datasets.published import PUBLISHED, PublishedDataset
from latentknn.datasets.readers import read_idx_folder
from latentknn.datasets.sources import cache_folder


def fetch(name: str) -> Path:
    """Download the Debian package of a published data set and unpack it into the user's cache.

    The function needs ``apt-get`` and ``dpkg-deb``, but no root. It verifies the files and then moves them
    into the cache by one rename. A data set that is in the cache already is verified and left as it is.

    Parameters
    ----------
    name : str
        ``"fashion_mnist"``, the only one with a Debian package.

    Returns
    -------
    Path
        The folder of the cache that now holds the four IDX files.

    Raises
    ------
    ValueError
        If no Debian package holds the data set.
    DatasetNotFoundError
        If a tool is missing or the download fails; the message says which and why.
    DatasetCorruptError
        If the files, new or already there, are not the published ones.

    Examples
    --------
    >>> from latentknn.datasets import fetch
    >>> try:
    ...     fetch("digits")
    ... except ValueError as error:
    ...     print(error)
    no Debian package holds the data set 'digits'; there is one for fashion_mnist
    """
    published = PUBLISHED.get(name)
    if published is None or published.debian_package is None:
        packaged = [known.name for known in PUBLISHED.values() if known.debian_package is not None]
        raise ValueError(
            f"no Debian package holds the data set {name!r}; there is one for {', '.join(packaged)}"
        )

    target = cache_folder(name)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # The workspace is beside the target, so that the rename stays on one file system.
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=target.parent) as workspace:
            unpacked = _download_and_unpack(published, Path(workspace))
            published.verify(read_idx_folder(unpacked))
            unpacked.rename(target)
    published.verify(read_idx_folder(target))
    return target


def _download_and_unpack(published: PublishedDataset, workspace: Path) -> Path:
    assert published.debian_package is not None
    assert published.debian_folder is not None
    _run(["apt-get", "download", published.debian_package], workspace)
    package = next(iter(workspace.glob("*.deb")), None)
    if package is None:
        raise DatasetNotFoundError(f"apt-get downloaded no package {published.debian_package}")
    _run(["dpkg-deb", "--extract", package.name, "unpacked"], workspace)
    return workspace / "unpacked" / published.debian_folder.relative_to("/")


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise DatasetNotFoundError(
            f"{command[0]} is not installed, so Debian's package cannot be fetched; "
            "latentknn.datasets.load names the other ways"
        )
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise DatasetNotFoundError(
            f"{' '.join(command)} failed: {finished.stderr.strip()}; "
            "apt-get update refreshes outdated package lists"
        )
