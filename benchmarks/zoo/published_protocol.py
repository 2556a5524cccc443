"""How published figures of codes were measured: 1,000 drawn test images, and no neighbour like a copy.

The images were drawn with replacement and without a seed, so that another draw gives another result; beside
one draw stands how far many of them spread. Neighbours with a similarity of 0.9999 and more were passed over.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation import Neighbours

DEPTH = 50
"""Neighbours that are looked through for one that is no copy; if there is none, the last decides."""
_COPY = 0.9999
_DRAWN = 1000
_DRAWS = 1000


def measure(neighbours: Neighbours, truth: NDArray[np.integer[Any]], seed: int) -> dict[str, float]:
    """Return the accuracy of one draw, and the middle 95 % of many.

    Parameters
    ----------
    neighbours : Neighbours
        Of all test images, at least `DEPTH` each.
    truth : ndarray of shape (M,), integer
        Their classes.
    seed : int
        Seed of the draws.
    """
    similarities, classes = neighbours.similarities[:, :DEPTH], neighbours.classes[:, :DEPTH]
    acceptable = similarities < _COPY
    acceptable[:, -1] = True
    right = classes[np.arange(len(classes)), acceptable.argmax(axis=1)] == truth
    drawn = np.random.default_rng(seed).integers(0, len(truth), (_DRAWS, _DRAWN))
    accuracies = right[drawn].mean(axis=1)
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return {"accuracy": float(accuracies[0]), "low": float(low), "high": float(high)}
