"""Where the clusters that this user began on this machine are, by the names of their indexes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from latentknn.atomic_file import atomic_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Record:
    """A cluster.

    Parameters
    ----------
    address : str
        Of its head.
    pid : int
        The process that began it, and with which it ends.
    began : int
        When that process began, in the clock ticks of ``/proc``, so that another one of the same number is
        told from it.
    """

    address: str
    pid: int
    began: int

    @classmethod
    def of(cls, address: str, pid: int) -> Record:
        """Return the record of a process that lives."""
        return cls(address, pid, process_began(pid) or 0)

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return process_began(self.pid) == self.began


def check_name(name: str) -> str:
    """Return a name that serves as one, or raise TypeError or ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, received a {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"name must be up to 100 letters, digits, dots, dashes and underscores, received {name!r}"
        )
    return name


def check_system() -> None:
    """Raise NotImplementedError where processes are not told from each other by ``/proc``."""
    if process_began(os.getpid()) is None:
        raise NotImplementedError(
            "an index with a name in a cluster of this machine needs /proc, which this system does not have: "
            "leave out the name, or begin a cluster by `ray start --head` and pass address='auto'"
        )


def remember(name: str, record: Record) -> None:
    """Write down where a cluster is; only this user can read it."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with atomic_file(folder / f"{name}.json") as unfinished:
        unfinished.write_bytes(msgspec.json.encode(record))
    (folder / f"{name}.json").chmod(0o600)


def recall(name: str) -> Record | None:
    """Return where a cluster is that lives; None where none is known."""
    try:
        record = msgspec.json.decode((_folder() / f"{name}.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
    return record if record.alive else None


def forget(name: str) -> None:
    """Delete what is written of a cluster."""
    for suffix in ("json", "log"):
        with suppress(FileNotFoundError):
            (_folder() / f"{name}.{suffix}").unlink()


def log_of(name: str) -> Path:
    """Return where a process that serves an index writes its errors; the folder is there."""
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    return _folder() / f"{name}.log"


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "latentknn" / "clusters"


def process_began(pid: int) -> int | None:
    """Return when a process began; None where there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
