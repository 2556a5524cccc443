"""Checks of the whole numbers that users pass."""

import numpy as np

IN_INDEX = "codes in the index"


def positive(value: int, name: str) -> int:
    """Return a whole number of at least 1, or raise TypeError or ValueError."""
    number = _integer(value, name)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, received {number}")
    return number


def neighbour_count(k: int, available: int, of_what: str) -> int:
    """Return how many of the available rows are to be found, or raise TypeError or ValueError."""
    number = _integer(k, "k")
    if available < 1:
        empty = "the index is empty" if of_what == IN_INDEX else f"there are no {of_what}"
        raise ValueError(f"{empty}, so that there are no neighbours to find; received k = {number}")
    if not 1 <= number <= available:
        raise ValueError(f"k must be from 1 to {available}, the number of {of_what}, received {number}")
    return number


def _integer(value: int, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, received {value!r}")
    return int(value)
