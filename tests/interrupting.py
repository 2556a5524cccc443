"""Interrupts a call by a signal whose handler raises an exception, as Ctrl-C does."""

import signal
from collections.abc import Callable
from typing import Any


class InterruptedCallError(Exception):
    """What the handler raises."""


def is_interrupted(call: Callable[[], Any], milliseconds: float) -> bool:
    """Call, in the main thread, interrupting so much later; return whether that came before the end."""
    signal.signal(signal.SIGALRM, _raise)
    try:
        signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except InterruptedCallError:
        return True
    return False


def _raise(number: int, frame: Any) -> None:
    raise InterruptedCallError
