"""A dense autoencoder whose codes are mostly near zero."""

from collections.abc import Iterable
from typing import Any

from latentknn.models.autoencoders.dense_autoencoder import DenseAutoencoder
from latentknn.models.backend import keras
from latentknn.models.layers.weighted_mean import weighted_mean

_DEFAULT_WEIGHTS = {"l1": 1e-3, "kl": 0.05}


@keras.saving.register_keras_serializable(package="latentknn")
class SparseAutoencoder(DenseAutoencoder):
    """784-100-300 and back, with a sigmoid code that a penalty makes sparse.

    SELU on hidden layers, sigmoid pixels, binary cross-entropy. The penalty is one of two:

    - ``"l1"``: the sum of a code's values, averaged over the batch;
    - ``"kl"``: the Kullback-Leibler divergence between ``target`` and the mean of each code unit over the
      batch, summed over the units.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    hidden_units : iterable of int
        Width of every hidden layer, from the image to the code; the decoder mirrors them.
    activation : str
        Keras activation of the hidden layers.
    penalty : {"l1", "kl"}
        Kind of the penalty.
    penalty_weight : float or None
        Factor of the penalty; None: 0.001 for ``"l1"``, 0.05 for ``"kl"``.
    target : float
        Mean that ``"kl"`` asks of every unit, between 0 and 1.
    learning_rate : float
        Learning rate of stochastic gradient descent.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If the penalty is unknown or the target out of range.

    References
    ----------
    A. Ng, "Sparse Autoencoder", lecture notes CS294A, 2011 (KL).
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import SparseAutoencoder
    >>> model = SparseAutoencoder(
    ...     input_shape=(8, 8, 1), latent_dim=6, hidden_units=(16,)
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "sparse_ae"
    default_batch_size = 32
    loss_part_names = ("reconstruction", "sparsity")

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        latent_dim: int = 300,
        hidden_units: Iterable[int] = (100,),
        activation: str = "selu",
        penalty: str = "l1",
        penalty_weight: float | None = None,
        target: float = 0.1,
        learning_rate: float = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if penalty not in _DEFAULT_WEIGHTS:
            raise ValueError(f"received penalty {penalty!r}, expected one of {', '.join(_DEFAULT_WEIGHTS)}")
        if not 0 < target < 1:
            raise ValueError(f"received target {target}, expected a number between 0 and 1")
        super().__init__(
            input_shape=input_shape,
            latent_dim=latent_dim,
            hidden_units=hidden_units,
            activation=activation,
            code_activation="sigmoid",
            output_activation="sigmoid",
            loss=keras.losses.BinaryCrossentropy(),
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )
        self.penalty = penalty
        self.penalty_weight = _DEFAULT_WEIGHTS[penalty] if penalty_weight is None else float(penalty_weight)
        self.target = float(target)

    def make_optimizer(self) -> Any:
        """Return plain stochastic gradient descent."""
        return keras.optimizers.SGD(self.learning_rate)

    def loss_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss of the reconstruction and the weighted penalty."""
        if self.penalty == "l1":
            penalty = l1_penalty(y_pred["codes"], sample_weight)
        else:
            penalty = kl_penalty(y_pred["codes"], self.target, sample_weight)
        return {**super().loss_parts(x, y, y_pred, sample_weight), "sparsity": self.penalty_weight * penalty}


def l1_penalty(codes: Any, sample_weight: Any = None) -> Any:
    """Return the sum of a code's absolute values, times its weight, averaged over the batch."""
    return weighted_mean(keras.ops.sum(keras.ops.abs(codes), axis=-1), sample_weight)


def kl_penalty(codes: Any, target: float, sample_weight: Any = None) -> Any:
    """Return the divergence of each unit's weighted mean over the batch from ``target``, summed."""
    means = keras.ops.mean(codes, axis=0)
    if sample_weight is not None:
        shares = sample_weight / keras.ops.maximum(keras.ops.sum(sample_weight), 1e-7)
        means = keras.ops.sum(codes * shares[:, None], axis=0)
    # A unit that is saturated in the whole batch would give log(0).
    means = keras.ops.clip(means, 1e-7, 1 - 1e-7)
    divergences = target * keras.ops.log(target / means) + (1 - target) * keras.ops.log(
        (1 - target) / (1 - means)
    )
    return keras.ops.sum(divergences)
