"""The multi-similarity loss, for ``compile`` of any Keras model whose outputs are codes."""

from __future__ import annotations

from typing import Any

from latentknn.models.backend import keras
from latentknn.models.supervised.metric_losses import cosine_similarities, pair_masks


@keras.saving.register_keras_serializable(package="latentknn")
class MultiSimilarityLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras is untyped
    """Bring codes of one class together and part those of different classes, the harder pairs the more.

    Every code of a batch is compared with the others by cosine similarity. A code of its class counts where
    it is less similar than the most similar code of another class and the margin; a code of another class
    counts where it is more similar than the least similar one of its class, less the margin. With the
    similarities s of what counts, P of its class and N of others, the loss of a code is ::

        log(1 + sum(exp(-alpha * (s - threshold)) for s in P)) / alpha
        + log(1 + sum(exp(beta * (s - threshold)) for s in N)) / beta

    and 0 where P or N is empty. Batches should have several items of a class, as those of
    `latentknn.datasets.ClassBalancedBatches` do.

    Parameters
    ----------
    alpha : float
        Scale of the similarities within a class.
    beta : float
        Scale of those between classes.
    threshold : float
        The similarity above which codes of two classes weigh more, and below which codes of one class do.
    margin : float
        How much easier than the hardest pair a pair may be, and count.
    reduction, name, dtype
        Those of ``keras.losses.Loss``. By default the mean over the batch.

    Raises
    ------
    ValueError
        If `alpha` or `beta` is not above 0.

    References
    ----------
    X. Wang, X. Han, W. Huang, D. Dong, M. R. Scott, "Multi-Similarity Loss with General Pair Weighting for
    Deep Metric Learning", CVPR 2019. The defaults are those of the authors' program.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from latentknn.models import MultiSimilarityLoss
    >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> encoder.compile("adam", loss=MultiSimilarityLoss())
    >>> x, y = np.random.default_rng(0).standard_normal((12, 8)), np.repeat([0, 1, 2], 4)
    >>> losses = encoder.fit(x, y, epochs=2, verbose=0).history["loss"]
    >>> len(losses)
    2
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 40.0,
        threshold: float = 0.5,
        margin: float = 0.1,
        reduction: str = "sum_over_batch_size",
        name: str = "multi_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not (alpha > 0 and beta > 0):
            raise ValueError(f"alpha and beta must be above 0, received {alpha} and {beta}")
        self.alpha = float(alpha)
        self.beta = float(beta)
        self.threshold = float(threshold)
        self.margin = float(margin)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of every code, shape (N,).

        Parameters
        ----------
        y_true : tensor of shape (N,) or (N, 1)
            Classes: integers below 2^24, which Keras makes float32.
        y_pred : tensor of shape (N, d)
            Codes of any length; zero codes have similarity 0.
        """
        similarities = cosine_similarities(y_pred)
        positive, negative = pair_masks(keras.ops.reshape(y_true, (-1,)))
        nearest = keras.ops.max(keras.ops.where(negative, similarities, -3.0), axis=1, keepdims=True)
        farthest = keras.ops.min(keras.ops.where(positive, similarities, 3.0), axis=1, keepdims=True)
        positive = positive & (similarities < nearest + self.margin)
        negative = negative & (similarities > farthest - self.margin)
        compared = keras.ops.any(positive, axis=1) & keras.ops.any(negative, axis=1)
        distances = similarities - self.threshold
        within = _log_one_and_sum(-self.alpha * distances, positive) / self.alpha
        between = _log_one_and_sum(self.beta * distances, negative) / self.beta
        return (within + between) * keras.ops.cast(compared, similarities.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "alpha": self.alpha,
            "beta": self.beta,
            "threshold": self.threshold,
            "margin": self.margin,
        }


def _log_one_and_sum(exponents: Any, counted: Any) -> Any:
    """Return log(1 + sum of exp) of the exponents that are counted, of every row."""
    exponents = keras.ops.where(counted, exponents, -1e9)
    one = keras.ops.zeros_like(exponents[:, :1])
    return keras.ops.logsumexp(keras.ops.concatenate([one, exponents], axis=1), axis=1)
