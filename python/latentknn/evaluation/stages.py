"""The time that each stage of an experiment takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from latentknn.progress import ProgressLike, Tell


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
    progress : bool or callable
        What the stage passes as ``progress`` to the calls that it consists of; False if nobody wants to know.

    Examples
    --------
    >>> from latentknn.evaluation import Stage
    >>> print(Stage("encode", 10_000, "images", seconds=2.0))
    encode: 10,000 images in 2.00 s, 5,000 images/s
    """

    name: str
    items: int
    unit: str
    seconds: float = 0.0
    progress: ProgressLike = field(default=False, repr=False, compare=False)

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
    show : callable, optional
        Function of a stage's name that returns a context manager, in which the stage is shown; what it
        gives is told of the stage's progress. `latentknn.progress.bar` is one.

    Attributes
    ----------
    stages : list of Stage
        Stages that have ended, in order.

    Examples
    --------
    >>> from latentknn.evaluation import Stopwatch
    >>> stopwatch = Stopwatch()
    >>> with stopwatch.measure("count", 1000, "numbers"):
    ...     _ = sum(range(1000))
    >>> stopwatch.stages[0].name, stopwatch.stages[0].items
    ('count', 1000)
    """

    def __init__(
        self,
        announce: Callable[[Stage], object] | None = None,
        show: Callable[[str], AbstractContextManager[Tell]] | None = None,
    ) -> None:
        self.stages: list[Stage] = []
        self._announce = announce
        self._show = show

    @contextmanager
    def measure(self, name: str, items: int, unit: str, *, shows_itself: bool = False) -> Iterator[Stage]:
        """Measure the block and add its stage; the block may correct ``stage.items``.

        If the block raises, no stage is added. A block that shows itself is not shown by others.
        """
        stage = Stage(name, items, unit)
        start = time.perf_counter()
        if self._show is None or shows_itself:
            yield stage
        else:
            with self._show(name) as stage.progress:
                yield stage
            stage.progress = False
        stage.seconds = time.perf_counter() - start
        self.stages.append(stage)
        if self._announce is not None:
            self._announce(stage)
