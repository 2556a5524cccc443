"""Retrieval: how many of an item's nearest codes are of its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.evaluation.evaluated_codes import EvaluatedCodes, in_parts
from latentknn.progress import ProgressLike, part_of


@dataclass(frozen=True)
class Retrieval:
    """Means over the items that have relevant codes: codes of their class, R of them, other than themselves.

    Items are ranked by similarity, descending, then by position, so that no value depends on chance.

    Attributes
    ----------
    items : int
        Items that the means are over.
    left_out : int
        Items without a relevant code, for which the measures are not defined.
    ks : tuple of int
        The depths k of the next four.
    precision : tuple of float
        Precision at k: the share of the nearest k codes that are relevant [1]_.
    recall : tuple of float
        Recall at k: the share of the R relevant codes that are among the nearest k [1]_.
    hit_rate : tuple of float
        The share of items with a relevant code among the nearest k, which is called recall at k in metric
        learning [2]_.
    ndcg : tuple of float
        Normalised discounted cumulative gain at k: the sum of 1 / log2(rank + 1) over relevant codes among
        the nearest k, divided by the largest that R relevant codes can give [3]_.
    r_precision : float
        Precision at R [1]_.
    map_at_r : float
        Mean average precision at R: the sum of the precisions at the ranks of relevant codes among the
        nearest R, divided by R [2]_.

    References
    ----------
    .. [1] C. D. Manning, P. Raghavan, H. Schütze, "Introduction to Information Retrieval", 2008, chapter 8.
    .. [2] K. Musgrave, S. Belongie, S.-N. Lim, "A Metric Learning Reality Check", ECCV 2020.
    .. [3] K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM Transactions on
       Information Systems 20, 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.evaluation import evaluate
    >>> codes = np.random.default_rng(0).standard_normal((40, 4))
    >>> codes[:20] += 2
    >>> evaluation = evaluate(codes, ["near"] * 20 + ["far"] * 20)
    >>> retrieval = evaluation.retrieval
    >>> retrieval.ks, retrieval.items, 0 <= retrieval.map_at_r <= 1
    ((1, 5, 10), 40, True)
    """

    items: int
    left_out: int
    ks: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    hit_rate: tuple[float, ...]
    ndcg: tuple[float, ...]
    r_precision: float
    map_at_r: float


def measure_retrieval(
    evaluated: EvaluatedCodes, ks: Sequence[int], progress: ProgressLike = False
) -> Retrieval | None:
    """Rank as many codes for each item as its class has, and average; None if no item has a relevant code.

    Parameters
    ----------
    evaluated : EvaluatedCodes
        Items and index.
    ks : sequence of int
        Depths, each from 1 to the number of codes that can be found.
    progress : bool or callable
        Whom to tell of the items that are ranked.

    Returns
    -------
    Retrieval or None

    Notes
    -----
    An item whose class has R codes costs a search for the nearest R.
    """
    relevant = evaluated.relevant
    values = np.empty((len(relevant), 4 * len(ks) + 2))
    done, everyone = 0, int(np.count_nonzero(relevant))
    for count in np.unique(relevant[relevant > 0]).tolist():
        depth = max(count, *ks)
        for items in in_parts(np.flatnonzero(relevant == count), depth):
            _, positions = evaluated.nearest(items, depth, part_of(progress, done, everyone))
            done += len(items)
            hits = evaluated.database_classes[positions] == evaluated.item_classes[items, None]
            values[items] = retrieval_of(hits, count, ks)
    measured = relevant > 0
    if not measured.any():
        return None
    means = values[measured].mean(axis=0).tolist()
    precision, recall, hit_rate, ndcg = (
        tuple(means[first : first + len(ks)]) for first in range(0, 4 * len(ks), len(ks))
    )
    return Retrieval(
        items=int(measured.sum()),
        left_out=int((~measured).sum()),
        ks=tuple(ks),
        precision=precision,
        recall=recall,
        hit_rate=hit_rate,
        ndcg=ndcg,
        r_precision=means[-2],
        map_at_r=means[-1],
    )


def retrieval_of(hits: NDArray[np.bool_], relevant: int, ks: Sequence[int]) -> NDArray[np.float64]:
    """Return the measures of items that have equally many relevant codes.

    Parameters
    ----------
    hits : ndarray of shape (m, depth), bool
        Which of the nearest codes are relevant, best first; at least as many as `relevant` and each of `ks`.
    relevant : int
        Number of relevant codes of each item, at least 1.
    ks : sequence of int
        Depths.

    Returns
    -------
    ndarray of shape (m, 4 * len(ks) + 2), float64
        Precision, recall, hit rate and NDCG at each depth, then R-precision and average precision at R.
    """
    found = hits.cumsum(axis=1)
    at_ks = found[:, [k - 1 for k in ks]]
    ranks = np.arange(1, hits.shape[1] + 1)
    discounts = 1 / np.log2(ranks + 1)
    gains: list[NDArray[Any]] = [
        (hits[:, :k] * discounts[:k]).sum(axis=1) / discounts[: min(k, relevant)].sum() for k in ks
    ]
    precisions = found[:, :relevant] / ranks[:relevant]
    return np.column_stack(
        [
            at_ks / np.asarray(ks),
            at_ks / relevant,
            at_ks > 0,
            *gains,
            precisions[:, -1],
            (hits[:, :relevant] * precisions).sum(axis=1) / relevant,
        ]
    )
