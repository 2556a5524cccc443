"""Numbers on the command line. Text that is no number, or a number out of range, is refused by a sentence."""

import math

import typer


def integer(text: str) -> int:
    """Read an integer."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"must be an integer, received {text!r}") from None


def positive_integer(text: str) -> int:
    """Read an integer of at least 1."""
    number = integer(text)
    if number < 1:
        raise typer.BadParameter(f"must be at least 1, received {number}")
    return number


def number(text: str) -> float:
    """Read a finite number."""
    try:
        found = float(text)
    except ValueError:
        raise typer.BadParameter(f"must be a number, received {text!r}") from None
    if not math.isfinite(found):
        raise typer.BadParameter(f"must be finite, received {text}")
    return found


def positive_number(text: str) -> float:
    """Read a finite number above 0."""
    found = number(text)
    if found <= 0:
        raise typer.BadParameter(f"must be above 0, received {text}")
    return found


def share(text: str) -> float:
    """Read a number above 0 and up to 1."""
    found = positive_number(text)
    if found > 1:
        raise typer.BadParameter(f"must be at most 1, received {text}")
    return found


def image_size(text: str) -> tuple[int, int]:
    """Read a height and a width, such as 28x28."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise typer.BadParameter(f"must be a height and a width such as 28x28, received {text!r}")
    return int(height), int(width)
