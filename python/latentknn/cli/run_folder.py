"""The folder of a run, which may hold an earlier run."""

import json
from collections.abc import Mapping
from typing import Any

from latentknn.cli.errors import CommandError
from latentknn.report import RunFolder


def prepare_folder(folder: RunFolder, settings: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Prepare the folder of a run and write the settings of the run into it.

    Parameters
    ----------
    folder : RunFolder
        New or empty; otherwise one of the flags must be set.
    settings : mapping
        Settings that must be the same when the run is resumed, as JSON values.
    resume : bool
        Keep the checkpoint of an earlier run with the same settings.
    overwrite : bool
        Remove the files of an earlier run.

    Raises
    ------
    CommandError
        If the folder is not empty and no flag is set, or it holds no run or a run with other settings.
    """
    check_folder(folder, resume=resume, overwrite=overwrite)
    wanted = json.loads(json.dumps(settings))
    if overwrite:
        folder.clear()
    if folder.settings.exists():
        found = json.loads(folder.settings.read_text(encoding="utf-8"))
        differences = [
            f"{name} was {found.get(name)!r} and is {wanted.get(name)!r}"
            for name in sorted(found.keys() | wanted.keys())
            if found.get(name) != wanted.get(name)
        ]
        if differences:
            raise CommandError(
                f"the run in {folder.path} cannot be resumed with other settings: {'; '.join(differences)}"
            )
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.settings.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def check_folder(folder: RunFolder, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that cannot be used, without touching it; see `prepare_folder`."""
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
