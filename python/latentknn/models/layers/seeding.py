"""Layers are made repeatable without touching the random numbers of the caller."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_layers(seed: int) -> Iterator[None]:
    """Make Keras layers created inside repeatable: initial weights and dropout depend on ``seed`` alone.

    A Keras initializer or dropout layer without a seed of its own draws one from Python's ``random`` module
    when it is created. That module is seeded here and put back afterwards; NumPy's and TensorFlow's global
    generators are not involved.

    Parameters
    ----------
    seed : int
        Any integer.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
