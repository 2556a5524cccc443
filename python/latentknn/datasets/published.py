"""The published data sets, with their checksums and the folders where they may be found."""

from dataclasses import dataclass
from pathlib import Path

from latentknn.datasets.errors import DatasetCorruptError
from latentknn.datasets.idx import idx_checksum
from latentknn.datasets.readers import PARTS, RawData


@dataclass(frozen=True)
class PublishedDataset:
    """A data set that is published under a well-known name.

    Parameters
    ----------
    name : str
        Name of the data set, and of the module of ``keras.datasets`` that downloads it.
    class_names : tuple of str
        The classes, in the order of the labels.
    checksums : dict of str to str
        For each of ``PARTS``, the SHA-256 of the decompressed IDX file as its authors published it.
    debian_package : str or None
        The Debian package that holds it.
    debian_folder : Path or None
        The folder into which that package installs it.
    """

    name: str
    class_names: tuple[str, ...]
    checksums: dict[str, str]
    debian_package: str | None = None
    debian_folder: Path | None = None

    def verify(self, raw: RawData) -> None:
        """Compare every array with its published checksum.

        Raises
        ------
        DatasetCorruptError
            If one differs; the message names its file.
        """
        for part in PARTS:
            array, expected = raw.arrays[part], self.checksums[part]
            if array.dtype != "uint8":
                raise DatasetCorruptError(
                    f"{raw.origins[part]} has dtype {array.dtype}, "
                    f"expected uint8 as in the published {self.name}"
                )
            found = idx_checksum(array)
            if found != expected:
                raise DatasetCorruptError(
                    f"{raw.origins[part]} is not the published {self.name}: the SHA-256 of its decompressed "
                    f"content is {found}, expected {expected}; delete it and get it anew"
                )


FASHION_MNIST = PublishedDataset(
    name="fashion_mnist",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    checksums={
        "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    debian_package="dataset-fashion-mnist",
    debian_folder=Path("/usr/share/datasets/fashion-mnist"),
)

MNIST = PublishedDataset(
    name="mnist",
    class_names=tuple("0123456789"),
    checksums={
        "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)

PUBLISHED = {published.name: published for published in (FASHION_MNIST, MNIST)}
