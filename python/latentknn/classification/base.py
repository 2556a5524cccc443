"""The base class of the classifiers, which holds their parameters and the vote."""

from __future__ import annotations

import numbers

import joblib  # type: ignore[import-untyped]  # a dependency of scikit-learn
from sklearn.base import BaseEstimator, ClassifierMixin

from latentknn.classification.vote import Vote, Weights, check_weights, vote_of
from latentknn.engines import EngineLike


class NeighbourClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of the classifiers; see `CosineKNNClassifier` for the parameters."""

    def __init__(
        self,
        n_neighbors: int = 1,
        *,
        weights: Weights = "uniform",
        temperature: float = 0.07,
        engine: EngineLike = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.temperature = temperature
        self.engine = engine
        self.n_jobs = n_jobs

    def _vote(self) -> Vote:
        return vote_of(self.n_neighbors, self.weights, self.temperature)

    def _check_voting(self) -> None:
        """Raise ValueError if a parameter is out of its range."""
        check_neighbour_count(self.n_neighbors)
        check_weights(self.weights, self.temperature)


def check_neighbour_count(k: int) -> None:
    """Raise ValueError unless `k` is an integer of at least 1."""
    if not isinstance(k, numbers.Integral) or isinstance(k, bool) or k < 1:
        raise ValueError(f"n_neighbors must be an integer of at least 1, received {k!r}")


def thread_count(n_jobs: int | None) -> int | None:
    """Return the number of threads that `n_jobs` asks for; None leaves the number to the index."""
    return None if n_jobs is None else int(joblib.effective_n_jobs(n_jobs))
