"""The time that each stage of an experiment takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Stage:
    """A stage of an experiment and its cost.

    Attributes
    ----------
    name : str
        Name of the stage.
    items : int
        Number of items that the stage handled.
    unit : str
        Name of the items, in the plural.
    seconds : float
        Wall-clock time.
    """

    name: str
    items: int
    unit: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: {self.items:,} {self.unit} in {self.seconds:.2f} s, {self.rate_text}"

    @property
    def rate(self) -> float:
        """Items a second; 0 if the stage took no measurable time."""
        return self.items / self.seconds if self.seconds > 0 else 0.0

    @property
    def rate_text(self) -> str:
        """The rate with its unit; a rate below 100 has one decimal."""
        return f"{self.rate:,.{0 if self.rate >= 100 else 1}f} {self.unit}/s"


class Stopwatch:
    """Measures stages one after the other.

    Parameters
    ----------
    announce : callable, optional
        Called with every `Stage` that ends.

    Attributes
    ----------
    stages : list of Stage
        Stages that have ended, in order.
    """

    def __init__(self, announce: Callable[[Stage], object] | None = None) -> None:
        self.stages: list[Stage] = []
        self._announce = announce

    @contextmanager
    def measure(self, name: str, items: int, unit: str) -> Iterator[Stage]:
        """Measure the block and add its stage; the block may correct ``stage.items``.

        If the block raises, no stage is added.
        """
        stage = Stage(name, items, unit)
        start = time.perf_counter()
        yield stage
        stage.seconds = time.perf_counter() - start
        self.stages.append(stage)
        if self._announce is not None:
            self._announce(stage)
