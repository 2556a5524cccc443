"""The digits that are embedded in scikit-learn: 1,797 images of 8x8 pixels, without a download."""

import numpy as np

from latentknn.datasets.dataset import Dataset

_TRAINING_IMAGES = 1297
_LARGEST_VALUE = 16


def load_digits() -> Dataset:
    """Return scikit-learn's embedded digits as a data set.

    The values 0 to 16 become ``round(value · 255 / 16)``, so that 16 is white, as 255 is elsewhere.
    scikit-learn does not split the set: here the first 1,297 images, in its order, are for training and the
    last 500 for testing.

    Returns
    -------
    Dataset
        Images of shape (N, 8, 8), ten classes.

    References
    ----------
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / _LARGEST_VALUE)).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    return Dataset(
        name="digits",
        train_images=images[:_TRAINING_IMAGES],
        train_labels=labels[:_TRAINING_IMAGES],
        test_images=images[_TRAINING_IMAGES:],
        test_labels=labels[_TRAINING_IMAGES:],
        class_names=tuple("0123456789"),
    )
