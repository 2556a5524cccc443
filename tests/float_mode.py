"""Setting the floating-point mode of the calling thread."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_libm = ctypes.CDLL("libm.so.6")

if platform.machine() == "x86_64":
    _CONTROL_OFFSET = 28  # offset of MXCSR in glibc's fenv_t
    _FLUSH_DENORMALS = 1 << 15 | 1 << 6  # flush-to-zero and denormals-are-zero
    ROUNDING = {"to nearest": 0x000, "downward": 0x400, "upward": 0x800, "towards zero": 0xC00}
elif platform.machine() == "aarch64":
    _CONTROL_OFFSET = 0  # offset of FPCR in glibc's fenv_t
    _FLUSH_DENORMALS = 1 << 24
    ROUNDING = {"to nearest": 0x000000, "upward": 0x400000, "downward": 0x800000, "towards zero": 0xC00000}
else:
    raise NotImplementedError(f"say here where fenv_t keeps the control bits on {platform.machine()}")


def control_bits() -> int:
    """Return the control register (denormals, rounding, traps) without the exception flags."""
    environment = ctypes.create_string_buffer(64)
    _libm.fegetenv(environment)
    register = int.from_bytes(environment[_CONTROL_OFFSET : _CONTROL_OFFSET + 4], "little")
    return register & ~0x3F if platform.machine() == "x86_64" else register


def set_float_mode(rounding: str = "to nearest", *, flush_denormals: bool = False) -> None:
    _libm.fesetround(ROUNDING[rounding])
    environment = ctypes.create_string_buffer(64)
    _libm.fegetenv(environment)
    register = int.from_bytes(environment[_CONTROL_OFFSET : _CONTROL_OFFSET + 4], "little")
    register = register | _FLUSH_DENORMALS if flush_denormals else register & ~_FLUSH_DENORMALS
    environment[_CONTROL_OFFSET : _CONTROL_OFFSET + 4] = register.to_bytes(4, "little")
    _libm.fesetenv(environment)


@contextmanager
def float_mode(rounding: str = "to nearest", *, flush_denormals: bool = False) -> Iterator[None]:
    """Change the floating-point mode during the block."""
    set_float_mode(rounding, flush_denormals=flush_denormals)
    try:
        yield
    finally:
        set_float_mode()
