"""The codes that benchmarks search: real images, reduced by PCA or raw, normalised."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from latentknn import datasets

Codes = NDArray[np.float32]


def fashion_mnist(dim: int) -> tuple[Codes, Codes]:
    """60,000 database and 10,000 query codes: the first `dim` principal components, or raw pixels at 784."""
    data = datasets.load("fashion_mnist")
    train = data.train_images.reshape(len(data.train_images), -1).astype(np.float32) / 255
    test = data.test_images.reshape(len(data.test_images), -1).astype(np.float32) / 255
    if dim < train.shape[1]:
        pca = PCA(dim, svd_solver="covariance_eigh").fit(train)
        train, test = pca.transform(train), pca.transform(test)
    return normalised(train), normalised(test)


def normalised(rows: NDArray[np.floating]) -> Codes:
    """Scale rows to length 1."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(norms == 0, 1, norms), dtype=np.float32)
