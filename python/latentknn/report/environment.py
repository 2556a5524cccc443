"""A description of the machine and the libraries of an experiment."""

import importlib
import platform
from pathlib import Path
from typing import Any

from latentknn import _core

_LIBRARIES = ("latentknn", "numpy", "sklearn", "tensorflow", "keras", "matplotlib")


def describe_environment(threads: int | None) -> dict[str, Any]:
    """Return versions, processor, graphics processors and threads as JSON values.

    Parameters
    ----------
    threads : int or None
        Threads asked for; None stands for every processor that the process may use.
    """
    from latentknn.models.backend import tf

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.import_module(name).__version__ for name in _LIBRARIES},
        },
        "platform": platform.platform(),
        "cpu": _processor_name(),
        "instruction_set": _core.available_isas()[-1],
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus],
        "threads": _core.usable_processors() if threads is None else threads,
    }


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
