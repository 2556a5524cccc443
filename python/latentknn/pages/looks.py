"""What items and codes look like on a page: pictures, texts, or numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.pages.sheet import COLUMNS, Sheet, make_sheet

MOST_LOOKS = 20_000
"""Pictures or texts of a page, so that it can be mailed; others are named by their numbers."""

_LONGEST_TEXT = 160

_CHECKED_AT_ONCE = 1024

Source = NDArray[Any] | list[str] | None
"""Pictures of shape (n, h, w, c), texts, or nothing."""

_RECONSTRUCTION, _SAMPLE = "reconstruction of item", "generated image"
"""What pictures are called that a model makes."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Everything that a page may show.

    Attributes
    ----------
    items : ndarray, list of str, or None
        Pictures or texts of the items.
    codes : ndarray, list of str, or None
        Pictures or texts of the codes that are searched; None if these are the items.
    reconstructions : ndarray or None
        Reconstructions of the items, of the shape of their pictures.
    samples : ndarray or None
        Images that a model generated.
    """

    items: Source
    codes: Source
    reconstructions: NDArray[Any] | None
    samples: NDArray[Any] | None


@dataclass(frozen=True)
class Look:
    """How one item or code is shown.

    Attributes
    ----------
    name : str
        What it is called: "item 7" or "code 7".
    description : str
        The same with its class, for those who cannot see it.
    number : int or None
        Its place among the looks of the page, if it has one.
    text : str or None
        Its text, if it has one.
    """

    name: str
    description: str
    number: int | None
    text: str | None

    @property
    def column(self) -> int | None:
        """The column of its picture in the sheet."""
        return None if self.number is None or self.text is not None else self.number % COLUMNS

    @property
    def row(self) -> int | None:
        """The row of its picture in the sheet."""
        return None if self.number is None or self.text is not None else self.number // COLUMNS


class Looks:
    """All looks of a page, in the order in which they are first asked for.

    Parameters
    ----------
    sources : Sources
        Pictures or texts.
    item_classes, code_classes : sequence of str
        Names of the classes of items and codes; "" if a code's is not known.
    leave_one_out : bool
        Whether the codes are the items.
    """

    def __init__(
        self,
        sources: Sources,
        item_classes: Sequence[str],
        code_classes: Sequence[str],
        leave_one_out: bool,
    ) -> None:
        self._sources = {
            "item": sources.items,
            "code": sources.codes,
            _RECONSTRUCTION: sources.reconstructions,
            _SAMPLE: sources.samples,
        }
        self._classes = {
            "item": item_classes,
            "code": code_classes,
            _RECONSTRUCTION: item_classes,
            _SAMPLE: [""] * (0 if sources.samples is None else len(sources.samples)),
        }
        self._leave_one_out = leave_one_out
        self._numbers: dict[tuple[str, int], int] = {}

    def item(self, position: int) -> Look:
        """Return how an item is shown."""
        return self._look("item", position)

    def code(self, position: int) -> Look:
        """Return how a code is shown, which is as an item if every code was left out once."""
        return self._look("item" if self._leave_one_out else "code", position)

    def reconstruction(self, position: int) -> Look:
        """Return how the reconstruction of an item is shown."""
        return self._look(_RECONSTRUCTION, position)

    def sample(self, position: int) -> Look:
        """Return how a generated image is shown."""
        return self._look(_SAMPLE, position)

    def texts(self) -> list[str] | None:
        """Return the texts of all looks so far, or None if they are pictures."""
        if not any(isinstance(source, list) for source in self._sources.values()):
            return None
        return [_shortened(str(self._content(*key))) for key in self._numbers]

    def sheet(self) -> Sheet | None:
        """Return the pictures of all looks so far, or None if there are none."""
        if not self._numbers or self.texts() is not None:
            return None
        return make_sheet((_as_bytes(self._content(*key)) for key in self._numbers), len(self._numbers))

    def _look(self, kind: str, position: int) -> Look:
        name = f"{kind} {position}"
        class_name = self._classes[kind][position]
        description = f"{name}, {class_name}" if class_name else name
        source = self._sources[kind]
        if source is None:
            return Look(name, description, None, None)
        key = (kind, position)
        if key not in self._numbers and len(self._numbers) < MOST_LOOKS:
            self._numbers[key] = len(self._numbers)
        text = _shortened(source[position]) if isinstance(source, list) else None
        return Look(name, description, self._numbers.get(key), text)

    def _content(self, kind: str, position: int) -> Any:
        source = self._sources[kind]
        assert source is not None, "a look without a source has no number"
        return source[position]


def checked_sources(
    items: int,
    codes: int | None,
    *,
    pictures: ArrayLike | None = None,
    neighbour_pictures: ArrayLike | None = None,
    texts: Sequence[str] | None = None,
    neighbour_texts: Sequence[str] | None = None,
    reconstructions: ArrayLike | None = None,
    samples: ArrayLike | None = None,
) -> Sources:
    """Return what a page may show, after a check of all of it.

    Parameters
    ----------
    items : int
        Number of items.
    codes : int or None
        Number of codes that are searched; None if these are the items.
    pictures, neighbour_pictures, texts, neighbour_texts, reconstructions, samples
        See `latentknn.pages.write_page`, and there for the errors.
    """
    shown = _source(pictures, texts, items, "")
    others = None
    if codes is not None:
        others = _source(neighbour_pictures, neighbour_texts, codes, "neighbour_")
        _check_alike(shown, others)
    elif neighbour_pictures is not None or neighbour_texts is not None:
        raise ValueError(
            "neighbour_pictures and neighbour_texts are for evaluations of test items; here all codes "
            "are items, and look as pictures or texts say"
        )
    rebuilt = None if reconstructions is None else _as_pictures(reconstructions, items, "reconstructions")
    if rebuilt is not None and (not isinstance(shown, np.ndarray) or shown.shape != rebuilt.shape):
        beside = f"pictures of shape {shown.shape}" if isinstance(shown, np.ndarray) else "no pictures"
        raise ValueError(
            f"reconstructions of shape {rebuilt.shape} are shown beside pictures of that shape, received "
            f"{beside}"
        )
    generated = None if samples is None else _as_pictures(samples, None, "samples")
    if generated is not None and isinstance(shown, list):
        raise ValueError("samples are pictures, and the items are texts; pass one of them")
    return Sources(shown, others, rebuilt, generated)


def _check_alike(shown: Source, others: Source) -> None:
    if shown is None or others is None:
        return
    if isinstance(shown, list) or isinstance(others, list):
        if type(shown) is not type(others):
            raise ValueError("items and neighbours must both have pictures, or both texts")
    elif shown.shape[3] != others.shape[3]:
        raise ValueError(
            f"pictures have {shown.shape[3]} channels, and neighbour_pictures have {others.shape[3]}"
        )


def _source(pictures: ArrayLike | None, texts: Sequence[str] | None, count: int, prefix: str) -> Source:
    if pictures is not None and texts is not None:
        raise ValueError(f"pass {prefix}pictures or {prefix}texts, not both")
    if pictures is not None:
        return _as_pictures(pictures, count, f"{prefix}pictures")
    return None if texts is None else _as_texts(texts, count, f"{prefix}texts")


def _as_pictures(pictures: ArrayLike, count: int | None, name: str) -> NDArray[Any]:
    """Return pictures as an array of shape (n, h, w, c), with n as given unless that is None."""
    array: NDArray[Any] = np.asanyarray(pictures)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be numbers from 0 to 255 or from 0 to 1, received {array.dtype}")
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in shape[1:] or array.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"{name} must have shape (n, h, w) or (n, h, w, c) with 1, 3 or 4 channels, received {shape}"
        )
    if count is not None and len(array) != count:
        raise ValueError(f"{name} must have one picture each of {count:,}, received {len(array):,}")
    if array.dtype != np.uint8:
        for first in range(0, len(array), _CHECKED_AT_ONCE):
            _check_pixels(array[first : first + _CHECKED_AT_ONCE], name)
    return array


def _check_pixels(pictures: NDArray[Any], name: str) -> None:
    most = _brightest(pictures)
    low, high = pictures.min(), pictures.max()
    if not (low >= 0 and high <= most):
        raise ValueError(
            f"{name} of {pictures.dtype} must be from 0 to {most}, received values from {low} to {high}"
        )


def _brightest(pictures: NDArray[Any]) -> int:
    """Return the value of a white pixel: 255 of whole numbers, 1 of floats and of truth values."""
    return 255 if pictures.dtype.kind in "ui" else 1


def as_shares(pictures: NDArray[Any]) -> NDArray[np.float64]:
    """Return pixels from 0 to 1."""
    return pictures.astype(np.float64) / _brightest(pictures)


def _as_bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture's pixels from 0 to 255."""
    return np.round(picture.astype(np.float64) * (255 // _brightest(picture))).astype(np.uint8)


def _as_texts(texts: Sequence[str], count: int, name: str) -> list[str]:
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a sequence of strings, received a single string")
    listed = [*texts]
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(f"{name} must be strings, number {number} is of type {type(text).__name__}")
    if len(listed) != count:
        raise ValueError(f"{name} must be one each of {count:,}, received {len(listed):,}")
    return listed


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"
