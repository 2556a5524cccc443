"""Jobs of many files: a task writes each of them whole, and a job that is begun again writes the rest."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from latentknn.atomic_file import atomic_file
from latentknn.distributed.errors import GenerationError
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.runtime import Attachment

_JOB = "job.json"

_TRIES = 4
"""Processes that a file may end before the job does: it may be the file that ends them."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    done, total : int
        Files of the output, those among them that were there before.
    rate : float
        Files a second, since the job began or was begun again.
    left : float
        Seconds that the others will take at that rate; infinity as long as none is done.

    Examples
    --------
    >>> from latentknn.distributed import Progress
    >>> print(Progress(done=3, total=12, rate=0.5, left=18.0))
    3 of 12 files, 0.50 a second, 18 s left
    """

    done: int
    total: int
    rate: float
    left: float

    def __str__(self) -> str:
        left = "" if self.left == float("inf") else f", {self.left:.0f} s left"
        return f"{self.done} of {self.total} files, {self.rate:.2f} a second{left}"


@dataclass(frozen=True)
class Task:
    """One file of the output: its name, and what the function of the job is given for it."""

    name: str
    arguments: tuple[Any, ...]


def input_files(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that a pattern or a list names, sorted; ValueError or FileNotFoundError for none."""
    given = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    found = sorted({path for each in given for path in map(Path, glob(os.fspath(each)))})
    if not found:
        raise FileNotFoundError(f"no file is named by {', '.join(repr(os.fspath(each)) for each in given)}")
    names: dict[str, Path] = {}
    for path in found:
        if path.suffix != ".parquet":
            raise ValueError(f"{os.fspath(path)!r} is no Parquet file; its name must end in .parquet")
        if path.name in names:
            raise ValueError(
                f"{os.fspath(names[path.name])!r} and {os.fspath(path)!r} would be one file of the output; "
                "give them different names"
            )
        names[path.name] = path
    return [path.absolute() for path in found]


def run_job(
    output: str | os.PathLike[str],
    settings: Mapping[str, Any],
    tasks: Sequence[Task],
    function: Callable[..., None],
    shared: Sequence[Any],
    progress: Callable[[Progress], None] | None,
    address: str,
) -> None:
    """Have tasks of the cluster write those files of the output that are not there.

    Parameters
    ----------
    output : str or path
        A folder that every node sees; made where there is none.
    settings : mapping
        What the files depend on, as JSON; a folder of another job is refused by it.
    tasks : sequence of Task
    function : callable
        Is given the path to write, what is shared, and the arguments of a task. Its file is renamed when it
        returns, so that what is there is whole.
    shared : sequence
        Is sent to the nodes once.
    progress : callable, optional
        Is told of every file.
    address : str
        See `start`.
    """
    folder = Path(output).absolute()
    _claim(folder, settings)
    missing = [task for task in tasks if not (folder / task.name).exists()]
    if not missing:
        return
    ray = import_ray()
    attachment = Attachment(address)
    try:
        remote = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_write)
        sent = [ray.put(each) for each in shared]
        at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: dict[Any, Task] = {}
        begun, left = time.monotonic(), list(missing)
        done = 0
        while left or waiting:
            while left and len(waiting) < at_once:
                task = left.pop(0)
                reference = remote.remote(function, str(folder / task.name), task.arguments, *sent)
                waiting[reference] = task
            ready, _ = ray.wait(list(waiting), num_returns=1)
            task = waiting.pop(ready[0])
            _finish(ready[0], task, waiting)
            done += 1
            if progress is not None:
                rate = done / max(1e-9, time.monotonic() - begun)
                progress(
                    Progress(len(tasks) - len(missing) + done, len(tasks), rate, (len(missing) - done) / rate)
                )
    finally:
        attachment.release()


def _finish(reference: Any, task: Task, waiting: Mapping[Any, Task]) -> None:
    """Raise what a task has raised, with the file that it was to write, and begin no others."""
    ray = import_ray()
    try:
        ray.get(reference)
    except ray.exceptions.RayError as error:
        for other in waiting:
            ray.cancel(other)
        cause = getattr(error, "cause", None)
        if not isinstance(cause, (OSError, ValueError, TypeError, GenerationError)):
            cause = error
        raise RuntimeError(f"{task.name} could not be written: {cause}") from cause


def _write(function: Callable[..., None], path: str, arguments: tuple[Any, ...], *shared: Any) -> None:
    """Write a file under another name, and rename it."""
    with atomic_file(Path(path)) as unfinished:
        function(unfinished, *shared, *arguments)


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of a job, or see that it is that of this one."""
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    job = folder / _JOB
    if job.exists():
        if job.read_text(encoding="utf-8") != text:
            raise ValueError(
                f"{os.fspath(folder)!r} holds the files of another job, which {_JOB} there describes; name "
                "another folder, or delete it"
            )
        return
    if any(folder.iterdir()):
        raise IsADirectoryError(f"{os.fspath(folder)!r} holds other files; name an empty or a new folder")
    with atomic_file(job) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def described(path: Path) -> list[Any]:
    """Return by what an input is told from another one of the same name."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]
