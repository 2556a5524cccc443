"""The state of a training on disk, from which it goes on as if it had never stopped.

One file in the safetensors format, plain tensors and JSON, is replaced as a whole at the end of every epoch.
It holds the model's variables (weights, statistics of batch normalisation, the state of random generators),
the optimizer's variables, the history, and the state of those of Keras's callbacks that have one.
"""

import inspect
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from latentknn.atomic_file import atomic_file
from latentknn.models.backend import keras

FILE_NAME = "checkpoint.safetensors"

# Keras offers no way to ask a callback for its state, so that the attributes of those that have one are here.
_CALLBACK_STATE = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "stopped_epoch"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
}


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Write the state of a training after every epoch, and bring it back.

    Parameters
    ----------
    folder : Path
        Where the file is written; made if it does not exist.
    training : dict
        Model, configuration, batch size and data, as JSON values: two trainings are the same if these are.
    callbacks : sequence of keras.callbacks.Callback
        The callbacks of the training. The state of ``EarlyStopping``, ``ModelCheckpoint``,
        ``ReduceLROnPlateau`` and ``SwapEMAWeights`` is kept, and a ``CSVLogger`` goes on in its file; others
        begin anew.
    """

    def __init__(self, folder: Path, training: dict[str, Any], callbacks: Sequence[Any]) -> None:
        super().__init__()
        self.path = folder / FILE_NAME
        self.training = training
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self._stateful = _named_stateful(callbacks)
        self._loggers = [each for each in callbacks if isinstance(each, keras.callbacks.CSVLogger)]
        self._restored: dict[str, dict[str, Any]] = {}

    def restore(self, model: Any) -> None:
        """Bring ``model``, its optimizer and the history to the state of the file.

        Raises
        ------
        ValueError
            If the file belongs to another training; the message says what differs.
        """
        with safe_open(self.path, framework="numpy") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        earlier = state["run"]
        if earlier.get("model") == self.training.get("model"):
            # An older version did not know all options, and trained as their defaults say.
            earlier = _default_options(model, self.training.keys() - earlier.keys()) | earlier
        differences = [
            f"{key} was {earlier.get(key)!r} and is {self.training.get(key)!r}"
            for key in sorted(earlier.keys() | self.training.keys())
            if earlier.get(key) != self.training.get(key)
        ]
        if differences:
            raise ValueError(
                f"{self.path} belongs to another training: {'; '.join(differences)}; "
                "train with the same settings, or give another checkpoint_dir"
            )
        model.build_optimizers()
        for key, variable in _variables(model).items():
            variable.assign(tensors[key])
        self.epoch = state["epoch"]
        self.history = state["history"]
        self._restored = state["callbacks"]
        for name, values in self._restored.items():
            if "best_epoch" in values:
                values["best_weights"] = _in_order(tensors, f"{name}/best_weights/") or None
        for logger in self._loggers:
            # A logger that does not append would empty the file that holds the earlier epochs.
            logger.append = True

    @property
    def next_epoch(self) -> int:
        """The first epoch, counted from 0, that is still to be trained."""
        return self.epoch[-1] + 1 if self.epoch else 0

    @property
    def stopped_early(self) -> bool:
        """Whether a callback that is there again had ended the training, and would end it again."""
        return any(
            self._restored[name].get("stopped_epoch", 0) > 0
            and self._restored[name]["wait"] >= callback.patience
            for name, callback in self._stateful.items()
            if name in self._restored
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Give the other callbacks their state back, after their own ``on_train_begin`` has cleared it."""
        for name, callback in self._stateful.items():
            for attribute, value in self._restored.get(name, {}).items():
                setattr(callback, attribute, value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state of the training."""
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(float(value))

        tensors = {key: np.asarray(variable.numpy()) for key, variable in _variables(self.model).items()}
        callback_states = {}
        for name, callback in self._stateful.items():
            callback_states[name] = {
                attribute: _as_json(getattr(callback, attribute))
                for attribute in _CALLBACK_STATE[_stateful_class(callback)]
            }
            for position, weight in enumerate(getattr(callback, "best_weights", None) or []):
                # A weight of Keras that is a scalar is no array.
                tensors[f"{name}/best_weights/{position}"] = np.asarray(weight)
        state = {
            "run": self.training,
            "epoch": self.epoch,
            "history": self.history,
            "callbacks": callback_states,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.path) as unfinished:
            save_file(tensors, unfinished, metadata={"state": json.dumps(state)})


def _default_options(model: Any, names: Collection[str]) -> dict[str, Any]:
    """Return those options of a model's constructor that have defaults, and these, as JSON values."""
    parameters = inspect.signature(type(model).__init__).parameters.values()
    defaults = {
        each.name: each.default
        for each in parameters
        if each.kind is each.KEYWORD_ONLY and each.name in names and each.default is not each.empty
    }
    return json.loads(json.dumps(defaults, default=str))  # type: ignore[no-any-return]


def _variables(model: Any) -> dict[str, Any]:
    """Name every variable by its position: Keras numbers its own names differently in every object."""
    groups = {"model": model.variables, "optimizer": model.optimizer_variables}
    return {
        f"{group}/{position}": v
        for group, variables in groups.items()
        for position, v in enumerate(variables)
    }


def _in_order(tensors: dict[str, NDArray[Any]], prefix: str) -> list[NDArray[Any]]:
    count = sum(key.startswith(prefix) for key in tensors)
    return [tensors[f"{prefix}{position}"] for position in range(count)]


def _stateful_class(callback: Any) -> Any:
    return next((known for known in _CALLBACK_STATE if isinstance(callback, known)), None)


def _named_stateful(callbacks: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for callback in callbacks:
        known = _stateful_class(callback)
        if known is not None:
            same_class = sum(isinstance(other, known) for other in named.values())
            named[f"{known.__name__}/{same_class}"] = callback
    return named


def _as_json(value: Any) -> int | float | None:
    return value if value is None or isinstance(value, int) else float(np.asarray(value))
