"""A description of the machine and the libraries of an experiment."""

import platform
import sys
from typing import Any

from latentknn import _core
from latentknn.doctor import processor_name

_LIBRARIES = (
    "latentknn",
    "numpy",
    "sklearn",
    "tensorflow",
    "keras",
    "torch",
    "sentence_transformers",
    "matplotlib",
)
"""The libraries whose versions are told where the process has imported them."""


def describe_environment(threads: int | None) -> dict[str, Any]:
    """Return versions, processor, graphics processors and threads as JSON values.

    Parameters
    ----------
    threads : int or None
        Threads asked for; None stands for every processor that the process may use.
    """
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: sys.modules[name].__version__ for name in _LIBRARIES if name in sys.modules},
        },
        "platform": platform.platform(),
        "cpu": processor_name(),
        "instruction_set": _core.available_isas()[-1],
        "gpus": _graphics_processors(),
        "threads": _core.usable_processors() if threads is None else threads,
    }


def _graphics_processors() -> list[str]:
    """Return the names of the graphics processors that TensorFlow sees, where it is imported."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return []
    config = tf.config
    devices = config.list_physical_devices("GPU")
    return [config.experimental.get_device_details(each).get("device_name", each.name) for each in devices]
