"""Random codes from which models generate images."""

import numpy as np
from numpy.typing import NDArray


def sample_prior(n: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Draw codes from the standard normal distribution.

    Parameters
    ----------
    n : int
        Number of codes.
    dim : int
        Length of a code.
    seed : int
        Seed of the codes; the first codes do not depend on ``n``.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    ValueError
        If ``n`` is negative.
    """
    if n < 0:
        raise ValueError(f"cannot generate {n} images; n must be at least 0")
    return np.random.default_rng(seed).standard_normal((n, dim), np.float32)
