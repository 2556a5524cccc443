"""The libraries beside latentknn: versions, the BLAS and OpenMP that they load, clashes between packages."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

PEERS = ("numpy", "scipy", "sklearn", "faiss", "torch", "tensorflow", "usearch")
"""Modules that are imported, each in a process of its own, to see what they bring."""

_PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "safetensors", "blake3", "msgspec", "joblib", "threadpoolctl"),
    *("tensorflow", "tensorflow-cpu", "tensorflow-macos", "keras", "h5py", "torch", "jax"),
    *(
        "faiss-cpu",
        "faiss-gpu-cu12",
        "usearch",
        "matplotlib",
        "pillow",
        "pyarrow",
        "jinja2",
        "bokeh",
        "umap-learn",
        "ray",
    ),
)

_SHARED_MODULES = ("faiss", "keras", "numpy", "tensorflow", "torch")
"""Modules that several packages are known to bring."""

_TIMEOUT = 120

_PROBE = """
import importlib, json, re, sys
module = importlib.import_module(sys.argv[1])
import threadpoolctl
pools = [
    {"kind": each["internal_api"], "version": each.get("version") or "", "threads": each["num_threads"],
     "kernels": each.get("architecture") or "", "threading": each.get("threading_layer") or ""}
    for each in threadpoolctl.threadpool_info()
]
built_in = ""
if sys.argv[1] == "torch":
    built_in = re.search("BLAS_INFO=([A-Za-z]+)|$", module.__config__.show()).group(1) or ""
print(json.dumps({"version": getattr(module, "__version__", ""), "pools": pools, "built_in": built_in}))
"""


@dataclass(frozen=True)
class ThreadPool:
    """A library of BLAS or OpenMP that a peer loads.

    Parameters
    ----------
    kind : str
        "openblas", "mkl", "blis", "flexiblas" or "openmp".
    version : str
        Its version, where it says one.
    kernels : str
        The processor that its kernels were made for.
    threads : int
        How many it uses by default.
    threading : str
        What its threads are.
    """

    kind: str
    version: str
    kernels: str
    threads: int
    threading: str


@dataclass(frozen=True)
class Peer:
    """A library that is installed beside latentknn, imported in a process of its own.

    Parameters
    ----------
    module : str
        The module.
    version : str
        Its version; empty where it cannot be imported.
    pools : tuple of ThreadPool
        The libraries of BLAS and OpenMP that it loads.
    built_in : str
        The BLAS that is linked into it, where it says so.
    error : str
        Why it cannot be imported; empty where it can.
    """

    module: str
    version: str
    pools: tuple[ThreadPool, ...]
    built_in: str
    error: str


def installed_versions() -> dict[str, str]:
    """Return the versions of packages that latentknn may use and that are installed; nothing is imported."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def clashes() -> dict[str, list[str]]:
    """Return the modules that more than one installed package brings, with these packages.

    The package that was installed last has replaced the files of the others.
    """
    owners = metadata.packages_distributions()
    several = {module: sorted(set(owners.get(module, []))) for module in _SHARED_MODULES}
    return {module: packages for module, packages in several.items() if len(packages) > 1}


def describe_peers(modules: tuple[str, ...] = PEERS) -> list[Peer]:
    """Return what the installed ones of some modules say of themselves."""
    found = [module for module in modules if _is_installed(module)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(_probe, found))


def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def _probe(module: str) -> Peer:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, module],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Peer(module, "", (), "", f"its import did not end in {_TIMEOUT} seconds")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"its import ended with status {done.returncode}"]
        return Peer(module, "", (), "", lines[-1])
    said = json.loads(done.stdout.splitlines()[-1])
    pools = tuple(ThreadPool(**each) for each in said["pools"])
    return Peer(module, said["version"], pools, said["built_in"], "")
