"""The pictures or texts of a page, in files that users name on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latentknn.cli.code_files import CodeFiles, read_array
from latentknn.cli.errors import CommandError, as_command_error

_FILES = ("images", "neighbour_images", "texts", "neighbour_texts")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the options of a page to the parser of a command."""
    page = parser.add_argument_group("page")
    page.add_argument(
        "--page", action="store_true", help="also write page.html, which a browser shows without a network"
    )
    page.add_argument(
        "--images",
        type=Path,
        metavar="FILE",
        help="pictures of what is classified, which is the test items with --test: shape (n, h, w) or "
        "(n, h, w, c) (.npy)",
    )
    page.add_argument(
        "--neighbour-images", type=Path, metavar="FILE", help="with --test: pictures of the codes (.npy)"
    )
    page.add_argument(
        "--texts", type=Path, metavar="FILE", help="texts instead of pictures (.npy, or a text in each line)"
    )
    page.add_argument("--neighbour-texts", type=Path, metavar="FILE", help="with --test: texts of the codes")


@dataclass(frozen=True, eq=False)
class PageFiles:
    """What items and codes look like; see `latentknn.pages.write_page`."""

    pictures: NDArray[Any] | None
    neighbour_pictures: NDArray[Any] | None
    texts: list[str] | None
    neighbour_texts: list[str] | None

    @classmethod
    def read(cls, arguments: argparse.Namespace, files: CodeFiles) -> PageFiles | None:
        """Read the files of a page, or return None if none is to be written.

        Raises
        ------
        CommandError
            If a library or a file is missing, or something does not fit.
        """
        named = [name for name in _FILES if getattr(arguments, name) is not None]
        if not arguments.page:
            if named:
                raise CommandError(f"--{named[0].replace('_', '-')} is for a page; pass --page too")
            return None
        missing = [name for name in ("bokeh", "jinja2", "PIL") if find_spec(name) is None]
        if missing:
            raise CommandError(
                f'--page needs {", ".join(missing)}; install it with: pip install "latentknn[page]"'
            )
        page = cls(
            _read_pictures(arguments.images),
            _read_pictures(arguments.neighbour_images),
            _read_texts(arguments.texts),
            _read_texts(arguments.neighbour_texts),
        )
        page._check(files)
        return page

    def _check(self, files: CodeFiles) -> None:
        from latentknn.pages.looks import checked_sources

        items, codes = (files.codes, None) if files.test is None else (files.test[0], len(files.codes))
        with as_command_error(TypeError, ValueError):
            checked_sources(
                self.pictures, self.neighbour_pictures, self.texts, self.neighbour_texts, len(items), codes
            )


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
