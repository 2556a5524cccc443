"""The pictures or texts of a page, in files that users name on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latentknn.cli.code_files import CodeFiles, read_array
from latentknn.cli.errors import CommandError, as_command_error


def check_page_libraries() -> None:
    """Raise CommandError if a library is missing that pages need."""
    missing = [name for name in ("bokeh", "jinja2", "PIL") if find_spec(name) is None]
    if missing:
        raise CommandError(
            f'--page needs {", ".join(missing)}; install it with: pip install "latentknn[page]"'
        )


@dataclass(frozen=True)
class PagePaths:
    """The files that the options of a page name."""

    images: Path | None
    neighbour_images: Path | None
    texts: Path | None
    neighbour_texts: Path | None
    reconstructions: Path | None
    samples: Path | None


@dataclass(frozen=True, eq=False)
class PageFiles:
    """What items and codes look like; see `latentknn.pages.write_page`."""

    pictures: NDArray[Any] | None
    neighbour_pictures: NDArray[Any] | None
    texts: list[str] | None
    neighbour_texts: list[str] | None
    reconstructions: NDArray[Any] | None
    samples: NDArray[Any] | None

    @classmethod
    def read(cls, paths: PagePaths, files: CodeFiles) -> PageFiles:
        """Read the files of a page.

        Raises
        ------
        CommandError
            If a library or a file is missing, or something does not fit.
        """
        check_page_libraries()
        page = cls(
            _read_pictures(paths.images),
            _read_pictures(paths.neighbour_images),
            _read_texts(paths.texts),
            _read_texts(paths.neighbour_texts),
            _read_pictures(paths.reconstructions),
            _read_pictures(paths.samples),
        )
        page._check(files)
        return page

    def _check(self, files: CodeFiles) -> None:
        from latentknn.pages.looks import checked_sources

        items, codes = (files.codes, None) if files.test is None else (files.test[0], len(files.codes))
        with as_command_error(TypeError, ValueError):
            checked_sources(len(items), codes, **vars(self))


def _read_pictures(path: Path | None) -> NDArray[Any] | None:
    return None if path is None else read_array(path)


def _read_texts(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    if path.suffix == ".npy" or not path.is_file():
        array = read_array(path)
        if array.ndim != 1 or array.dtype.kind not in "UT":
            raise CommandError(
                f"{path} must hold strings of shape (n,), it holds {array.dtype} of shape {array.shape}"
            )
        return [str(text) for text in array.tolist()]
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is neither a .npy file nor text in UTF-8: {error}") from error
