"""Codes and labels in files that users name on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.cli.errors import CommandError


@dataclass(frozen=True, eq=False)
class CodeFiles:
    """The arrays of an evaluation, whose shapes fit together.

    Attributes
    ----------
    codes : ndarray of shape (n, d)
        The codes, which are read from the file when they are used.
    labels : ndarray of shape (n,)
        Their labels.
    test : pair of ndarray, or None
        Codes and labels of the test items.
    """

    codes: NDArray[Any]
    labels: NDArray[Any]
    test: tuple[NDArray[Any], NDArray[Any]] | None

    @classmethod
    def read(cls, codes: Path, labels: Path, test: Sequence[Path] | None, voters: int | None) -> CodeFiles:
        """Read the files of a command.

        Parameters
        ----------
        codes, labels : Path
            Paths of the codes and of their labels.
        test : sequence of two Path, optional
            Paths of the test items' codes and labels.
        voters : int, optional
            Neighbours that shall vote.

        Raises
        ------
        CommandError
            If a file is missing or damaged, or something does not fit; the message names the file.
        """
        pair = _read_pair(codes, labels)
        tested = None if test is None else _read_pair(*test)
        if tested is not None and test is not None and tested[0].shape[1] != pair[0].shape[1]:
            raise CommandError(
                f"{test[0]} has codes of {tested[0].shape[1]} dimensions, and {codes} of {pair[0].shape[1]}"
            )
        files = cls(*pair, tested)
        if files.available < 1:
            raise CommandError(f"{codes} has a single code, and leaving it out leaves none; pass --test")
        if voters is not None and voters > files.available:
            raise CommandError(
                f"--neighbours must be at most {files.available}, the number of "
                f"{'other ' if test is None else ''}codes, received {voters}"
            )
        return files

    @property
    def available(self) -> int:
        """Number of codes among which the neighbours of an item are."""
        return len(self.codes) - (self.test is None)


def _read_pair(codes_path: Path, labels_path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    codes, labels = read_array(codes_path), read_labels(labels_path)
    if codes.ndim != 2 or 0 in codes.shape:
        raise CommandError(f"{codes_path} must hold codes of shape (n, d), it holds shape {codes.shape}")
    if codes.dtype.kind not in "biuf":
        raise CommandError(f"{codes_path} must hold real numbers, it holds {codes.dtype}")
    if labels.ndim != 1:
        raise CommandError(f"{labels_path} must hold labels of shape (n,), it holds shape {labels.shape}")
    if len(labels) != len(codes):
        raise CommandError(f"{labels_path} has {len(labels)} labels, and {codes_path} has {len(codes)} codes")
    return codes, labels


def read_labels(path: Path) -> NDArray[Any]:
    """Return the labels of a .npy file, or of a text file with one a line.

    Raises
    ------
    CommandError
        If the file is missing or damaged, or a line is empty; the message names it.
    """
    if path.suffix == ".npy" or not path.is_file():
        return read_array(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is neither a .npy file nor text in UTF-8: {error}") from error
    empty = [number for number, line in enumerate(lines, 1) if not line.strip()]
    if empty:
        raise CommandError(f"line {empty[0]} of {path} is empty; every code needs a label")
    return np.array([line.strip() for line in lines], np.str_)


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, which is read as far as it is used.

    Raises
    ------
    CommandError
        If the file is missing, damaged, or holds objects or several arrays; the message names it.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise CommandError(
            f"{path} holds no array of numbers or strings ({error}); write one by numpy.save, and labels "
            "that are objects as strings: numpy.save(path, numpy.asarray(labels, str))"
        ) from error
    if not isinstance(array, np.ndarray):
        raise CommandError(f"{path} holds several arrays; save each by numpy.save")
    return array
