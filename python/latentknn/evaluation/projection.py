"""Projection of codes into the plane by t-SNE."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

_PERPLEXITY = 30.0


def project(codes: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Place codes in the plane by t-SNE, so that codes of high cosine similarity lie together.

    Parameters
    ----------
    codes : ndarray of shape (n, d)
        At least 3 codes. They are scaled to length 1; then the squared Euclidean distance is twice the cosine
        distance.
    seed : int
        Seed of the placement, which does not depend on the number of processors.

    Returns
    -------
    ndarray of shape (n, 2), float32

    Raises
    ------
    ValueError
        If there are fewer than 3 codes.

    Notes
    -----
    The function uses one thread; 2,000 codes take about ten seconds.

    References
    ----------
    L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", Journal of Machine Learning Research 9,
    2008.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import project
    >>> project(np.random.default_rng(0).standard_normal((50, 8)), seed=0).shape
    (50, 2)
    """
    if len(codes) < 3:
        raise ValueError(f"t-SNE needs at least 3 codes, received {len(codes)}")
    norms = np.linalg.norm(codes, axis=1, keepdims=True)
    unit_codes = np.divide(
        codes, norms, out=np.zeros(codes.shape, np.result_type(codes, np.float32)), where=norms > 0
    )
    placement = TSNE(
        perplexity=min(_PERPLEXITY, (len(codes) - 1) / 3),
        init="pca" if codes.shape[1] > 1 else "random",
        random_state=seed,
    )
    # More threads would add in another order, and would wait long for each other on a busy machine.
    with threadpool_limits(1):
        return np.asarray(placement.fit_transform(unit_codes), np.float32)
