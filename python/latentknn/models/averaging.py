"""Running averages."""


def check_averaging(averaging: float) -> float:
    """Return the momentum of a running average, 0 being none.

    Raises
    ------
    ValueError
        If it is below 0, or 1 and more: the average would never move.
    """
    if not 0 <= averaging < 1:
        raise ValueError(f"received averaging {averaging}, expected a number from 0 to below 1")
    return float(averaging)
