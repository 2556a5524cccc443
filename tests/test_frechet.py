"""The Fréchet distance equals its closed form for sets of codes of known means and covariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from latentknn.evaluation import frechet_distance


def codes_of(mean, root, count=50, seed=0):
    """Return codes whose sample mean is `mean`, and whose sample covariance is ``root.T @ root``."""
    root = np.asarray(root, np.float64)
    drawn = np.random.default_rng(seed).standard_normal((count, len(root)))
    drawn -= drawn.mean(axis=0)
    uncorrelated = np.linalg.qr(drawn)[0] * np.sqrt(count - 1)
    return uncorrelated @ root + np.asarray(mean, np.float64)


def test_independent_coordinates_have_a_distance_each():
    """Of two normal distributions on a line it is the squared difference of means and of deviations."""
    first = codes_of([0, 1, 2], np.diag([1, 2, 3]))
    second = codes_of([1, 1, -2], np.diag([4, 2, 0.5]), count=80, seed=1)
    assert frechet_distance(first, second) == pytest.approx(1 + 0 + 16 + 9 + 0 + 6.25, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_covariances_that_do_not_commute(seed):
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((2, 4, 4))
    means = rng.standard_normal((2, 4))
    first, second = (codes_of(mean, root, seed=seed) for mean, root in zip(means, roots, strict=True))
    one, other = (root.T @ root for root in roots)
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(one + other - 2 * sqrtm(one @ other).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-10)


def test_turning_both_sets_changes_nothing_and_scaling_squares():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((60, 5)), rng.standard_normal((40, 5)) * [1, 2, 3, 4, 5]
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    distance = frechet_distance(first, second)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(distance, rel=1e-10)
    assert frechet_distance(3 * first, 3 * second) == pytest.approx(9 * distance, rel=1e-10)


def test_fewer_codes_than_dimensions():
    """Sets on two lines at right angles have no variance in common."""
    line = np.array([[-1.0], [0.0], [1.0]])
    first, second = line * np.eye(6)[0], line * np.eye(6)[1]
    assert frechet_distance(first, second) == pytest.approx(2, rel=1e-12)
    assert frechet_distance(first, 2 * first) == pytest.approx(1, rel=1e-12)


def test_drawn_sets_approach_the_distance_of_their_distributions():
    rng = np.random.default_rng(0)
    root = np.array([[2.0, 1.0], [0.0, 0.5]])
    first = rng.standard_normal((200_000, 2)).astype(np.float32)
    second = rng.standard_normal((200_000, 2)) @ root + [1, -1]
    # The trace of the root of a matrix C of two dimensions is √(tr C + 2 √det C).
    covariance = root.T @ root
    common = np.sqrt(np.trace(covariance) + 2 * np.sqrt(np.linalg.det(covariance)))
    expected = 2 + 2 + np.trace(covariance) - 2 * common
    assert frechet_distance(first, second) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.ones((1, 3)), np.ones((4, 3)), r"shape \(1, 3\), expected \(N, d\) with N at least 2"),
        (np.ones(3), np.ones((4, 3)), r"shape \(3,\), expected"),
        (np.ones((4, 3)), np.ones((4, 2)), "codes of 3 and of 2 dimensions"),
        (np.full((4, 3), np.nan), np.ones((4, 3)), "not finite"),
    ],
)
def test_what_has_no_distance_is_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(first, second)


def test_codes_that_are_no_real_numbers_are_refused():
    with pytest.raises(TypeError, match="dtype complex128, expected real numbers"):
        frechet_distance(np.ones((3, 2), complex), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(3, 0\), expected \(N, d\) with N at least 2, d at"):
        frechet_distance(np.ones((3, 0)), np.ones((3, 0)))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_codes_whose_squares_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="too large for float64; scale both sets alike"):
        frechet_distance([[1e200], [-1e200]], [[1.0], [2.0]])
