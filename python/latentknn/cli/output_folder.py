"""A check of the folder that a command shall write into."""

from __future__ import annotations

from pathlib import Path

from latentknn.cli.errors import CommandError


def check_output_folder(path: Path, last: Path, what: str, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be used, without touching it.

    Parameters
    ----------
    path : Path
        The folder.
    last : Path
        The file that is written last, by which a folder with earlier results is known.
    what : str
        What the folder holds then, with its article left out.
    overwrite : bool
        Whether earlier results may be replaced.

    Raises
    ------
    CommandError
        If the path is a file, or the folder is not empty, unless it holds earlier results to overwrite.
    """
    if path.exists() and not path.is_dir():
        raise CommandError(f"--out {path} is a file; give a folder")
    if not path.exists() or not any(path.iterdir()):
        return
    if not overwrite:
        raise CommandError(
            f"--out {path} is not empty: give another folder, or --overwrite to replace the {what} in it"
        )
    if not last.exists():
        raise CommandError(f"--out {path} is not empty but holds no {what}; give another folder")
