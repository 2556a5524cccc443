"""A data set, whose arrays are checked when it is constructed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
            self._check_labels(f"{part}_labels", labels)
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
        for field in ("train_images", "train_labels", "test_images", "test_labels"):
            object.__setattr__(self, field, _read_only(getattr(self, field)))

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self.train_images)} training and {len(self.test_images)} test "
            f"images of shape {self.image_shape}, {len(self.class_names)} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels of an image, as a model's ``input_shape`` takes them."""
        height, width, *channels = self.train_images.shape[1:]
        return (height, width, channels[0] if channels else 1)

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

    def _check_labels(self, field: str, labels: NDArray[np.int64]) -> None:
        if labels.dtype != np.int64:
            raise TypeError(f"{self.name}: {field} has dtype {labels.dtype}, expected int64")
        if labels.ndim != 1 or labels.size == 0:
            raise ValueError(f"{self.name}: {field} has shape {labels.shape}, expected (N,) with N > 0")
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= len(self.class_names):
            raise ValueError(
                f"{self.name}: {field} goes from {lowest} to {highest}, but there are "
                f"{len(self.class_names)} class names, for labels 0 to {len(self.class_names) - 1}"
            )


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
