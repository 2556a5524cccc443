"""Interruption of a call by a signal whose handler raises an exception, as Ctrl-C does."""

import signal
from collections.abc import Callable
from typing import Any


class InterruptedCallError(Exception):
    """The exception that the handler raises."""


def is_interrupted(call: Callable[[], Any], milliseconds: float) -> bool:
    """Interrupt a call in the main thread after this time; return whether that ended the call."""
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
