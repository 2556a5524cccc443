"""How many threads a search takes by default, and what limits them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from latentknn import _core

_CGROUPS = Path("/sys/fs/cgroup")

_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_PROC_BIND", "KMP_AFFINITY"),
    *(
        "OPENBLAS_NUM_THREADS",
        "OPENBLAS_CORETYPE",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "KERAS_BACKEND"),
    *("LATENTKNN_ISA", "CUDA_VISIBLE_DEVICES", "PYTHON_CPU_COUNT", "PYTHON_GIL"),
)
"""Environment variables that change how fast the core or its peers are, or what they use."""


@dataclass(frozen=True)
class Threads:
    """How many threads a search takes by default, and what limits them.

    Parameters
    ----------
    default : int
        Threads of a search whose ``threads`` is None.
    processors : int
        Processors of the machine.
    affinity : int or None
        Processors of the affinity mask of this process; None where the system has no such masks.
    quota : float or None
        Processors that the quotas of this process's cgroup and of those above it allow; None without a quota.
    limited_by : str
        What of these sets ``default``: "processors", "affinity" or "cgroup".
    variables : dict of str to str
        Environment variables that are set, of those that change how fast the core or its peers are. The core
        reads ``LATENTKNN_ISA`` of them; threads of the core are not OpenMP's.
    """

    default: int
    processors: int
    affinity: int | None
    quota: float | None
    limited_by: str
    variables: dict[str, str]


def describe_threads() -> Threads:
    """Return what limits the threads of this process."""
    default, processors = _core.usable_processors(), os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    if default < (processors if affinity is None else affinity):
        limited_by = "cgroup"
    else:
        limited_by = "affinity" if affinity is not None and affinity < processors else "processors"
    return Threads(
        default=default,
        processors=processors,
        affinity=affinity,
        quota=cgroup_quota(_CGROUPS, _own_cgroup()),
        limited_by=limited_by,
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def cgroup_quota(root: Path, own: str) -> float | None:
    """Return the processors that the quotas of a cgroup and of those above it allow, or None without a quota.

    Parameters
    ----------
    root : Path
        Where the file system of cgroups is mounted.
    own : str
        The path of the cgroup below it.
    """
    folder = root / own.lstrip("/")
    above = [folder, *folder.parents]
    quotas = [_quota_of(each) for each in above[: above.index(root) + 1]]
    return min((each for each in quotas if each is not None), default=None)


def _quota_of(cgroup: Path) -> float | None:
    """Return the quota of a cgroup of version 2, else of version 1, in processors."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period")
            )
        except OSError:
            return None
    return float(quota) / float(period) if quota != "max" and float(quota) > 0 else None


def _own_cgroup() -> str:
    """Return the path of this process's cgroup of version 2, or that of the root."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
