"""Pictures of one size in one file, which a page holds once and shows in parts."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 128
"""Pictures in a row of a sheet."""

_BLOCK = 8
"""Sides of tiles are multiples of this, so that JPEG, which codes such blocks, mixes no two pictures."""

_LARGEST_SIDE = 64
_MOST_PIXELS = 24_000_000
_MOST_BYTES = 7_500_000
_QUALITIES = (85, 75, 65, 55, 45, 35)


@dataclass(frozen=True)
class Sheet:
    """Pictures side by side, in rows of `COLUMNS`.

    Attributes
    ----------
    uri : str
        The PNG or JPEG file as a data URI.
    columns, rows : int
        Pictures in a row, and rows.
    side : int
        Width and height of a picture in pixels.
    """

    uri: str
    columns: int
    rows: int
    side: int


def make_sheet(pictures: Iterable[NDArray[np.uint8]], count: int) -> Sheet:
    """Put pictures side by side and encode them, such that a page of them can be mailed.

    A sheet has at most 24 million pixels and 7.5 MB, as far as the smallest pictures of 8 pixels a side and
    the lowest quality of JPEG allow. Small sheets are PNG, which changes no pixel.

    Parameters
    ----------
    pictures : iterable of ndarray of shape (h, w, c), uint8
        Pictures of any one shape, of 1, 3 or 4 channels; transparent ones stand on white.
    count : int
        Their number, at least 1.
    """
    drawn = [Image.fromarray(each[..., 0] if each.shape[-1] == 1 else each) for each in pictures]
    side = _side(max(drawn[0].size), count)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    mode = "L" if drawn[0].mode == "L" else "RGB"
    sheet = Image.new(mode, (columns * side, rows * side), "white")
    for number, picture in enumerate(drawn):
        tile = _tile(picture, side, mode)
        sheet.paste(tile, (number % columns * side, number // columns * side))
    kind, content = _encoded(sheet)
    return Sheet(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", columns, rows, side)


def _side(largest: int, count: int) -> int:
    """Return the side of a tile: what a picture of this size needs, or less where there are many."""
    needed = min(-(-largest // _BLOCK) * _BLOCK, _LARGEST_SIDE)
    possible = int((_MOST_PIXELS / count) ** 0.5) // _BLOCK * _BLOCK
    return max(_BLOCK, min(needed, possible))


def _tile(picture: Image.Image, side: int, mode: str) -> Image.Image:
    """Return a picture in the middle of a square of the colour of its border."""
    if picture.mode == "RGBA":
        opaque = Image.new("RGBA", picture.size, "white")
        opaque.alpha_composite(picture)
        picture = opaque
    picture = picture.convert(mode)
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.sort(border, axis=0)[len(border) // 2]
    tile = Image.new(mode, (side, side), tuple(colour.tolist()) if mode == "RGB" else int(colour))
    tile.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return tile


def _encoded(sheet: Image.Image) -> tuple[str, bytes]:
    """Return the kind and the content of the first file that is small enough, or of the smallest."""
    content = _saved(sheet, "PNG", optimize=True)
    if len(content) <= _MOST_BYTES:
        return "png", content
    for quality in _QUALITIES:
        content = _saved(sheet, "JPEG", quality=quality, subsampling=0, optimize=True)
        if len(content) <= _MOST_BYTES:
            break
    return "jpeg", content


def _saved(sheet: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    sheet.save(file, kind, **options)
    return file.getvalue()
