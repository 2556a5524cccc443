"""The bindings and kernels of the CUDA engine on emulated devices, which `make test-core` builds."""

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

BUILT = Path(__file__).parent.parent / "build" / "tests" / "tests" / "cpp"
DEVICES = 2
AMPLE = 1 << 33


@cache
def load() -> ModuleType:
    """Return the extension, or raise FileNotFoundError if it is not built."""
    found = sorted(BUILT.glob(f"_cuda.{sys.implementation.cache_tag}*.so"))
    if not found:
        raise FileNotFoundError(
            f"there is no _cuda in {BUILT}: build the emulated devices by `make test-core`"
        )
    # Under a name of its own: pybind11 keeps modules by their names.
    spec = importlib.util.spec_from_file_location("emulated._cuda", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _library().emulated_set_devices(ctypes.c_size_t(DEVICES))
    return module


def limit_memory(count: int) -> None:
    """Limit the bytes that can be allocated on each device from now on."""
    _library().emulated_limit_memory(ctypes.c_size_t(count))


def current_device() -> int:
    """Return the current device of the calling thread."""
    return int(_library().emulated_current_device())


def awaited(device: int) -> int:
    """Return how many times a device was synchronised."""
    return int(_library().emulated_awaited(ctypes.c_size_t(device)))


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(next(BUILT.glob(f"_cuda.{sys.implementation.cache_tag}*.so"))))
