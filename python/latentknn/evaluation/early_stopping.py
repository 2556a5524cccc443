"""A training ends where the loss of the held-out images has stopped falling."""

from __future__ import annotations

from typing import Any

from latentknn.models.backend import keras


def early_stopping(model: Any, patience: int) -> Any:
    """Return Keras's callback that ends a training and puts the weights of its best epoch back.

    Parameters
    ----------
    model : ImageEncoder
        The model that is to be trained.
    patience : int
        Epochs in a row that may go by without a lower loss of the held-out images.

    Returns
    -------
    keras.callbacks.EarlyStopping

    Raises
    ------
    ValueError
        If `patience` is below 1, or the model's training tells nothing by that loss.
    """
    if patience < 1:
        raise ValueError(f"received patience {patience}, expected at least 1")
    name = model.registry_name
    if model.schedule(1):
        raise ValueError(
            f"received patience {patience}, but the learning rate of {name} goes through one cycle, which "
            "ends with the last epoch: leave patience out, or switch the cycle off if the model has one_cycle"
        )
    if not model.loss_ranks_epochs:
        raise ValueError(
            f"received patience {patience}, but the loss of {name} is that of two networks against each "
            "other and does not say which epoch is the best: leave patience out"
        )
    return keras.callbacks.EarlyStopping("val_loss", patience=patience, mode="min", restore_best_weights=True)


def best_epoch(stopping: Any) -> int | None:
    """Return the epoch, counted from 1, whose weights the callback put back; None before the first epoch."""
    return None if stopping.best_weights is None else int(stopping.best_epoch) + 1
