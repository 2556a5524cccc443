"""Data sets, whose arrays are checked when they are constructed."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.appearance import dataset_html


class LabelledData(Protocol):
    """What an experiment needs of a data set: items, such as images, codes or texts, and their classes.

    Examples
    --------
    >>> from latentknn.datasets import LabelledData, load
    >>> def train_count(data: LabelledData) -> int:
    ...     return len(data.train_items)
    >>> train_count(load("digits"))
    1297
    """

    @property
    def name(self) -> str:
        """Name for reports."""

    @property
    def unit(self) -> str:
        """Name of the items for reports, in the plural."""

    @property
    def train_items(self) -> NDArray[Any]:
        """Items to train on, (N, ...)."""

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Class numbers of these items, (N,)."""

    @property
    def test_items(self) -> NDArray[Any]:
        """Items to test on, (M, ...)."""

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """Class numbers of these items, (M,)."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of every class, in the order of the class numbers."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, split into a training set and a test set.

    The arrays are checked on construction and become read-only views; the caller's arrays stay writable.

    Parameters
    ----------
    name : str
        Name for reports.
    train_images, test_images : ndarray of uint8, shape (N, H, W) or (N, H, W, C)
        Pixels from 0 to 255. Greyscale images may leave the channel axis out. Both sets have the same H, W
        and C.
    train_labels, test_labels : ndarray of int64, shape (N,)
        Class numbers, 0 to ``len(class_names) - 1``.
    class_names : tuple of str
        The name of every class, in the order of the class numbers.

    Raises
    ------
    TypeError
        If images are not uint8 or labels not int64.
    ValueError
        If shapes or lengths do not fit together, a set is empty, or a label has no class name.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.datasets import Dataset
    >>> images, labels = np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 0, 1])
    >>> data = Dataset("blank", images, labels, images[:2], labels[:2], ("shirt", "shoe"))
    >>> data
    Dataset('blank', 4 training and 2 test images of shape (28, 28, 1), 2 classes)
    >>> data.image_shape
    (28, 28, 1)
    """

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            self._check_images(f"{part}_images", images)
            check_labels(self, part)
            if len(images) != len(labels):
                raise ValueError(
                    f"{self.name}: {part}_images holds {len(images)} images, "
                    f"but {part}_labels holds {len(labels)} labels"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ValueError(
                f"{self.name}: training images have shape {self.train_images.shape[1:]}, "
                f"but test images {self.test_images.shape[1:]}; they must be the same"
            )
        make_read_only(self, "train_images", "train_labels", "test_images", "test_labels")

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self.train_images)} training and {len(self.test_images)} test "
            f"images of shape {self.image_shape}, {len(self.class_names)} classes)"
        )

    def _repr_html_(self) -> str:
        return dataset_html(self)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels of an image, as a model's ``input_shape`` takes them."""
        height, width, *channels = self.train_images.shape[1:]
        return (height, width, channels[0] if channels else 1)

    @property
    def unit(self) -> str:
        """The word "images"."""
        return "images"

    @property
    def train_items(self) -> NDArray[np.uint8]:
        """The training images, by the name that data sets of every kind have for them."""
        return self.train_images

    @property
    def test_items(self) -> NDArray[np.uint8]:
        """The test images, by the name that data sets of every kind have for them."""
        return self.test_images

    def _check_images(self, field: str, images: NDArray[np.uint8]) -> None:
        if images.dtype != np.uint8:
            raise TypeError(
                f"{self.name}: {field} has dtype {images.dtype}, expected uint8 (pixels from 0 to 255); "
                "scaled floats become uint8 by (images * 255).round().astype('uint8')"
            )
        if images.ndim not in (3, 4) or 0 in images.shape:
            raise ValueError(
                f"{self.name}: {field} has shape {images.shape}, "
                "expected (N, H, W) or (N, H, W, C) with no axis of length 0"
            )


@dataclass(frozen=True, eq=False)
class LabelledItems:
    """Labelled codes, texts or other items, split into a training set and a test set.

    The arrays are checked on construction and become read-only views; the caller's arrays stay writable, and
    an array that is mapped into memory stays mapped.

    Parameters
    ----------
    name : str
        Name for reports.
    train_items, test_items : ndarray of shape (N, ...)
        Whatever the encoder takes, such as codes (N, d) or texts (N,). Both have the same shape but for N.
    train_labels, test_labels : ndarray of int64, shape (N,)
        Class numbers, 0 to ``len(class_names) - 1``.
    class_names : tuple of str
        The name of every class, in the order of the class numbers.
    unit : str
        Name of the items for reports, in the plural.

    Raises
    ------
    TypeError
        If labels are not int64.
    ValueError
        If shapes or lengths do not fit together, a set is empty, or a label has no class name.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.datasets import LabelledItems
    >>> codes, labels = np.eye(4), np.array([0, 1, 0, 1])
    >>> LabelledItems("axes", codes, labels, codes[:2], labels[:2], ("even", "odd"), unit="codes")
    LabelledItems('axes', 4 training and 2 test codes of shape (4,), 2 classes)
    """

    name: str
    train_items: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_items: NDArray[Any]
    test_labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    unit: str = "items"

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            items, labels = getattr(self, f"{part}_items"), getattr(self, f"{part}_labels")
            check_labels(self, part)
            if items.shape[:1] != labels.shape:
                raise ValueError(
                    f"{self.name}: {part}_items has shape {items.shape}, but {part}_labels {labels.shape}"
                )
        if self.train_items.shape[1:] != self.test_items.shape[1:]:
            raise ValueError(
                f"{self.name}: training items have shape {self.train_items.shape[1:]}, "
                f"but test items {self.test_items.shape[1:]}; they must be the same"
            )
        make_read_only(self, "train_items", "train_labels", "test_items", "test_labels")

    def __repr__(self) -> str:
        return (
            f"LabelledItems({self.name!r}, {len(self.train_items)} training and {len(self.test_items)} test "
            f"{self.unit} of shape {self.train_items.shape[1:]}, {len(self.class_names)} classes)"
        )

    def _repr_html_(self) -> str:
        return dataset_html(self)


def check_labels(dataset: Dataset | LabelledItems, part: str) -> None:
    """Refuse labels of "train" or "test" that are no class numbers of the data set.

    Raises
    ------
    TypeError
        If they are not int64.
    ValueError
        If there are none, or one has no class name.
    """
    field, labels = f"{dataset.name}: {part}_labels", getattr(dataset, f"{part}_labels")
    if labels.dtype != np.int64:
        raise TypeError(f"{field} has dtype {labels.dtype}, expected int64")
    if labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"{field} has shape {labels.shape}, expected (N,) with N > 0")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= len(dataset.class_names):
        raise ValueError(
            f"{field} goes from {lowest} to {highest}, but there are "
            f"{len(dataset.class_names)} class names, for labels 0 to {len(dataset.class_names) - 1}"
        )


def make_read_only(dataset: Dataset | LabelledItems, *fields: str) -> None:
    """Replace the arrays of these fields by read-only views of them."""
    for field in fields:
        view = getattr(dataset, field).view()
        view.flags.writeable = False
        object.__setattr__(dataset, field, view)


def describe_rare_classes(dataset: LabelledData) -> str:
    """Return a sentence about classes that have a single training item or none; "" if there are none.

    No item of a class without training items can be classified right, and a class with a single one is
    never measured on held-out items.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.datasets import LabelledItems, describe_rare_classes
    >>> codes, labels = np.eye(3), np.array([0, 0, 1])
    >>> data = LabelledItems("three", codes, labels, codes, labels, ("often", "once"), unit="codes")
    >>> describe_rare_classes(data)
    'a single one of the training codes is of once'
    """
    counts = np.bincount(dataset.train_labels, minlength=len(dataset.class_names))
    told = [
        f"{'no training ' if count == 0 else 'a single one of the training '}{dataset.unit}"
        f" {'are' if count == 0 else 'is'} of {', '.join(dataset.class_names[i] for i in rare)}"
        for count in (0, 1)
        if len(rare := np.flatnonzero(counts == count)) > 0
    ]
    return "; ".join(told)
