"""A callback says how long a training will still last."""

import time
from typing import Any

from latentknn.models.backend import keras


class TimeLeft(keras.callbacks.Callback):  # type: ignore[misc]
    """Say before every epoch but the first about how long the training goes on, unless it is silent."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the times of an earlier training."""
        self._first_epoch: int | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say how long the epochs that are left take, if they take as long as those before."""
        if self._first_epoch is None:
            self._first_epoch, self._began = epoch, time.monotonic()
        elif self.params["verbose"]:
            seconds = (time.monotonic() - self._began) / (epoch - self._first_epoch)
            print(f"about {duration((self.params['epochs'] - epoch) * seconds)} left")


def duration(seconds: float) -> str:
    """Return a time in the largest unit of which there are at least two."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
