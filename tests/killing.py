"""Ends what a forked process does at any moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Call `work` in a forked process, and end that by SIGKILL after a time, unless it has ended.

    Returns whether it was killed.
    """
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] != 0
