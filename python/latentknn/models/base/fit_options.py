"""Options of ``fit`` that change which images a training sees, and how much each counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class FitOptions:
    """Those options of ``ImageEncoder.fit`` that Keras has too.

    Parameters
    ----------
    validation_split, shuffle, class_weight, sample_weight, initial_epoch, steps_per_epoch
        See ``ImageEncoder.fit``.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    validation_split: float = 0.0
    shuffle: bool = True
    class_weight: Mapping[int, float] | None = None
    sample_weight: ArrayLike | None = None
    initial_epoch: int = 0
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.validation_split < 1:
            raise ValueError(f"received validation_split {self.validation_split}, expected from 0 to below 1")
        if self.initial_epoch < 0:
            raise ValueError(f"received initial_epoch {self.initial_epoch}, expected at least 0")
        if self.steps_per_epoch is not None and self.steps_per_epoch < 1:
            raise ValueError(f"received steps_per_epoch {self.steps_per_epoch}, expected at least 1")

    def check_resumed(self, resume: bool) -> None:
        """Refuse ``initial_epoch`` for a training that is resumed.

        Raises
        ------
        ValueError
            If both are given.
        """
        if self.initial_epoch > 0 and resume:
            raise ValueError("a resumed training begins where its checkpoint ends: leave initial_epoch out")

    def describe(self) -> dict[str, Any]:
        """Return as JSON values what must be the same where a training is resumed, but for the defaults."""
        described: dict[str, Any] = {}
        if not self.shuffle:
            described["shuffle"] = False
        if self.class_weight is not None:
            described["class_weight"] = {str(key): float(self.class_weight[key]) for key in self.class_weight}
        if self.sample_weight is not None:
            described["sample_weight"] = True
        if self.steps_per_epoch is not None:
            described["steps_per_epoch"] = self.steps_per_epoch
        return described
