"""The Fréchet distance of two sets of codes: how far what a model generates is from what is real."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the squared Fréchet distance of the normal distributions that two sets of codes have.

    With means m and covariances C it is ‖m₁ - m₂‖² + tr(C₁ + C₂ - 2 (C₁ C₂)^½) [1]_: 0 for the same mean and
    covariance, larger the more variety one set lacks that the other has. The FID of [2]_ is this number for
    codes of a network that knows a thousand classes of photographs; here the codes are those of whatever
    encoder the caller trusts, and numbers of different encoders do not compare.

    The estimate grows as sets become smaller, even of the same distribution: compare sets of one size, and
    with what two sets of real items have.

    Parameters
    ----------
    first, second : array_like, shape (N, d) and (M, d)
        Codes, at least 2 each; computed on in float64.

    Returns
    -------
    float
        The squared distance, in the codes' squared unit.

    Raises
    ------
    TypeError
        If codes are not real numbers.
    ValueError
        If there are too few codes, they have no dimensions or different numbers of them, one is not finite,
        or they are too large for their squares.

    Notes
    -----
    The trace of (C₁ C₂)^½ is the sum of the singular values of R₁ R₂ᵀ, where Cᵢ = Rᵢᵀ Rᵢ. No root of a
    product that is not symmetric is taken, whose rounding may be complex, and fewer codes than dimensions do
    no harm. The time is O((N + M) d²).

    References
    ----------
    .. [1] D. C. Dowson, B. V. Landau, "The Fréchet Distance between Multivariate Normal Distributions",
       Journal of Multivariate Analysis 12, 1982.
    .. [2] M. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
       Equilibrium", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import frechet_distance
    >>> codes = np.random.default_rng(0).standard_normal((100, 4))
    >>> round(frechet_distance(codes, codes + 1), 6)
    4.0
    """
    (first_mean, first_root), (second_mean, second_root) = _moments(first), _moments(second)
    if first_mean.shape != second_mean.shape:
        raise ValueError(
            f"received codes of {len(first_mean)} and of {len(second_mean)} dimensions, expected the same"
        )
    apart = float(np.sum(np.square(first_mean - second_mean)))
    variances = float(np.sum(np.square(first_root)) + np.sum(np.square(second_root)))
    common = float(np.linalg.svd(first_root @ second_root.T, compute_uv=False).sum())
    if not np.isfinite(apart + variances + common):
        raise ValueError("received codes whose squares are too large for float64; scale both sets alike")
    # Rounding can take the distance of a set to itself below zero.
    return max(apart + variances - 2 * common, 0.0)


def _moments(codes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of codes, and a matrix R with Rᵀ R their covariance."""
    given = np.asarray(codes)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"received codes of dtype {given.dtype}, expected real numbers")
    array = np.asarray(given, np.float64)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] == 0:
        raise ValueError(
            f"received codes of shape {array.shape}, expected (N, d) with N at least 2, d at least 1"
        )
    if not np.isfinite(array).all():
        raise ValueError("received codes that are not finite; remove or replace them")
    mean = array.mean(axis=0)
    return mean, np.asarray(np.linalg.qr((array - mean) / np.sqrt(len(array) - 1), mode="r"))
