"""How often tests repeat what may fail once in many times."""

import os

SCALE = float(os.environ.get("LATENTKNN_TEST_SCALE", "1"))
"""A longer setting for releases: ``LATENTKNN_TEST_SCALE=10`` repeats ten times as often."""


def scaled(count: int) -> int:
    """Return how often to repeat what the default setting repeats so often; at least once."""
    return max(1, round(count * SCALE))
