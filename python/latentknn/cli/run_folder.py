"""The folder of a run, which may hold an earlier run."""

from __future__ import annotations

from latentknn.cli.errors import CommandError
from latentknn.report import RunFolder


def check_folder(folder: RunFolder, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that cannot be used, without touching it.

    Parameters
    ----------
    folder : RunFolder
        New or empty; otherwise one of the flags must be set.
    resume : bool
        Whether the run in it is to go on.
    overwrite : bool
        Whether it may be replaced.

    Raises
    ------
    CommandError
        If the folder is a file, is not empty and no flag is set, or holds no run.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise CommandError(f"--out {folder.path} is a file; give a folder")
    if folder.is_empty():
        return
    if not (resume or overwrite):
        raise CommandError(
            f"--out {folder.path} is not empty: give another folder, --resume to go on with the run in it, "
            "or --overwrite to replace that run"
        )
    if not folder.settings.exists():
        raise CommandError(f"--out {folder.path} is not empty but holds no run; give another folder")
