"""A ``__repr__`` of one line for results that hold arrays."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

_LONGEST = 60


def one_line(self: Any) -> str:
    """Say what a dataclass holds in one line: arrays by type and shape, and no long texts."""
    shown = (f"{field.name}={_shown(getattr(self, field.name))}" for field in fields(self))
    return f"{type(self).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype} of shape {tuple(value.shape)}>"
    if isinstance(value, tuple | list | dict) and len(value) > 3:
        return f"<{type(value).__name__} of {len(value)}>"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"<{type(value).__name__}>"
