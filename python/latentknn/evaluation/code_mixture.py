"""Drawing of new codes that are distributed like given codes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

_DIRECTIONS = 30
_COMPONENTS = 10


def sample_like(codes: NDArray[np.floating[Any]], n: int, seed: int = 0) -> NDArray[np.float32]:
    """Draw codes from a mixture of up to ten normal distributions that is fitted to given codes.

    The mixture is fitted in at most thirty principal directions of the codes: in all directions it would have
    more parameters than the codes determine.

    Parameters
    ----------
    codes : ndarray of shape (N, d), float
        Given codes, at least two.
    n : int
        Number of codes to draw.
    seed : int
        Seed of the fit and of the draws.

    Returns
    -------
    ndarray of shape (n, d), float32

    Raises
    ------
    ValueError
        If codes are not finite, there are fewer than two, or n is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import sample_like
    >>> sample_like(np.random.default_rng(0).standard_normal((100, 4)), 3).shape
    (3, 4)
    """
    if n < 0 or len(codes) < 2 or not np.isfinite(codes).all():
        raise ValueError(
            f"received {len(codes)} codes to draw {n} from, expected at least two finite ones and n >= 0"
        )
    distinct = np.unique(codes, axis=0)
    if len(distinct) == 1:
        return np.repeat(distinct, n, axis=0).astype(np.float32)
    directions = PCA(min(_DIRECTIONS, *codes.shape), random_state=seed)
    reduced = directions.fit_transform(codes.astype(np.float64))
    mixture = GaussianMixture(
        min(_COMPONENTS, len(distinct)), reg_covar=1e-6 * reduced.var(), max_iter=500, random_state=seed
    )
    mixture.fit(reduced)
    weights, rng = mixture.weights_ / mixture.weights_.sum(), np.random.default_rng(seed)
    component = rng.choice(len(weights), n, p=weights)
    spread = np.linalg.cholesky(mixture.covariances_)[component]
    noise = rng.standard_normal((n, reduced.shape[1]))
    drawn = mixture.means_[component] + np.einsum("nij,nj->ni", spread, noise)
    imitated: NDArray[np.float64] = directions.inverse_transform(drawn)
    return imitated.astype(np.float32)
