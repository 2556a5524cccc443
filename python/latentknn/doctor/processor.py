"""The processor and its memory, as the operating system describes them."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from latentknn import CosineIndex, _core

_FEATURES = (
    *("avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "sve"),
)
"""Instructions that kernels of the core use or may come to use, as Linux names them."""


@dataclass(frozen=True)
class Processor:
    """The processor, and the kernels that searches use on it.

    Parameters
    ----------
    name : str
        Its name.
    architecture : str
        As `platform.machine` calls it.
    features : tuple of str
        Those of its instructions that kernels use or may come to use; empty where the system does not say.
    kernels : tuple of str
        Instruction sets that it has kernels for, slowest first.
    in_use : str
        The instruction set that an index takes, or why an index is refused.
    memory : int or None
        Bytes of memory of the machine.
    huge_pages : str
        When Linux gives huge pages: "always", "madvise" or "never"; empty elsewhere.
    """

    name: str
    architecture: str
    features: tuple[str, ...]
    kernels: tuple[str, ...]
    in_use: str
    memory: int | None
    huge_pages: str


def describe_processor() -> Processor:
    """Return the processor of this machine."""
    present = set(_of_processor("flags", "Features").split())
    return Processor(
        name=processor_name(),
        architecture=platform.machine(),
        features=tuple(each for each in _FEATURES if each in present),
        kernels=tuple(_core.available_isas()),
        in_use=_instruction_set_in_use(),
        memory=_memory(),
        huge_pages=_huge_pages(),
    )


def processor_name() -> str:
    """Return the name of the processor, or that of its architecture where the system has none.

    Examples
    --------
    >>> from latentknn.doctor import processor_name
    >>> len(processor_name()) > 0
    True
    """
    return _of_processor("model name") or platform.processor() or platform.machine()


def _of_processor(*keys: str) -> str:
    """Return the first value in ``/proc/cpuinfo`` of one of some keys; empty where there is none."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in keys:
                return value.strip()
    return ""


def _instruction_set_in_use() -> str:
    try:
        return CosineIndex(1, engine="cpu").isa
    except ValueError as error:
        return str(error)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _huge_pages() -> str:
    try:
        offered = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return ""
    return offered.partition("[")[2].partition("]")[0]
