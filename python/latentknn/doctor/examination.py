"""All that is found out of a machine, as values and as text."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

import msgspec

from latentknn import __version__, engines
from latentknn.doctor.libraries import Peer, clashes, describe_peers, installed_versions
from latentknn.doctor.processor import Processor, describe_processor
from latentknn.doctor.threads import Threads, describe_threads
from latentknn.engines.engine import Availability


@dataclass(frozen=True)
class Examination:
    """What a report of a defect needs to know of a machine; printing it gives lines of text.

    It names no user and no host, and no folder unless an error of an import does.

    Parameters
    ----------
    latentknn : str
        The version of latentknn.
    wheel : str
        The tag of the wheel that was installed, such as "cp312-cp312-manylinux_2_28_x86_64"; empty where the
        package was not installed from one.
    python : str
        Implementation, version and compiler of Python, and whether it has no global lock.
    system : str
        Operating system, with the C library.
    processor : Processor
        The processor.
    threads : Threads
        What limits threads.
    engines : tuple of Availability
        Every engine, and what one that cannot run is missing.
    packages : dict of str to str
        Versions of the installed packages that latentknn may use.
    clashes : dict of str to list of str
        Modules that several installed packages bring, so that one has replaced files of another.
    peers : tuple of Peer
        Libraries beside latentknn, and what they multiply matrices with.

    Examples
    --------
    >>> from dataclasses import fields
    >>> from latentknn.doctor import Examination
    >>> [field.name for field in fields(Examination)][:6]
    ['latentknn', 'wheel', 'python', 'system', 'processor', 'threads']
    """

    latentknn: str
    wheel: str
    python: str
    system: str
    processor: Processor
    threads: Threads
    engines: tuple[Availability, ...]
    packages: dict[str, str]
    clashes: dict[str, list[str]]
    peers: tuple[Peer, ...]

    def to_json(self) -> str:
        """Return the examination as JSON, with the names of its fields."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()

    def __str__(self) -> str:
        return "\n\n".join(
            f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in self._sections()
        )

    def _sections(self) -> Iterator[tuple[str, list[str]]]:
        wheel = f", wheel {self.wheel}" if self.wheel else ""
        yield "Versions", [f"latentknn {self.latentknn}{wheel}", self.python, self.system]
        yield "Processor", _processor_lines(self.processor)
        yield "Threads", _thread_lines(self.threads)
        yield "Engines", [f"{each.name}: {each.kernels or 'no: ' + each.missing}" for each in self.engines]
        yield (
            "Packages",
            [f"{name} {version}" for name, version in self.packages.items()]
            + [
                f"CLASH: the module {module} is in {' and '.join(packages)}; uninstall all, install one"
                for module, packages in self.clashes.items()
            ],
        )
        yield "Peers, each imported alone", [_peer_line(each) for each in self.peers]


def examine() -> Examination:
    """Find out what a report of a defect needs to know of this machine.

    Installed libraries are imported in processes of their own, which takes some seconds where TensorFlow or
    PyTorch is among them. Nothing is sent anywhere.

    Returns
    -------
    Examination
        Its fields are plain values; ``str`` of it is text for people, `Examination.to_json` is for programs.

    Examples
    --------
    >>> from latentknn.doctor import examine
    >>> found = examine()
    >>> found.threads.default >= 1
    True
    >>> found.engines[0].name
    'cpu'
    """
    return Examination(
        latentknn=__version__,
        wheel=_wheel_tag(),
        python=_python(),
        system=" ".join(part for part in (platform.platform(), *platform.libc_ver()) if part),
        processor=describe_processor(),
        threads=describe_threads(),
        engines=tuple(engines.availability()),
        packages=installed_versions(),
        clashes=clashes(),
        peers=tuple(describe_peers()),
    )


def _python() -> str:
    free = ", without a global lock" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    bits = sys.maxsize.bit_length() + 1
    compiler = platform.python_compiler()
    return f"{platform.python_implementation()} {platform.python_version()}, {bits} bits, {compiler}{free}"


def _wheel_tag() -> str:
    try:
        wheel = metadata.distribution("latentknn").read_text("WHEEL") or ""
    except metadata.PackageNotFoundError:
        return ""
    return next((line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: ")), "")


def _processor_lines(processor: Processor) -> list[str]:
    lines = [f"{processor.name}, {processor.architecture}"]
    if processor.features:
        lines.append(f"instructions: {', '.join(processor.features)}")
    lines.append(f"kernels: {', '.join(processor.kernels)}; in use: {processor.in_use}")
    if processor.memory is not None:
        lines.append(f"memory: {processor.memory / 2**30:.1f} GiB")
    if processor.huge_pages:
        lines.append(f"huge pages: {processor.huge_pages}")
    return lines


def _thread_lines(threads: Threads) -> list[str]:
    affinity = "no masks" if threads.affinity is None else f"{threads.affinity}"
    quota = "none" if threads.quota is None else f"{threads.quota:g}"
    return [
        f"threads of a search: {threads.default}, limited by {threads.limited_by}",
        f"processors: {threads.processors}; affinity: {affinity}; quota of the cgroup: {quota}",
        *(f"{name}={value}" for name, value in threads.variables.items()),
    ]


def _peer_line(peer: Peer) -> str:
    if peer.error:
        return f"{peer.module}: cannot be imported: {peer.error}"
    parts = [
        " ".join(part for part in (pool.kind, pool.version, pool.kernels) if part)
        + f", {pool.threads} threads"
        for pool in peer.pools
    ]
    if peer.built_in:
        parts.insert(0, f"{peer.built_in} linked in")
    return (
        f"{peer.module} {peer.version}: {'; '.join(parts) or 'no library of BLAS or OpenMP that can be seen'}"
    )
