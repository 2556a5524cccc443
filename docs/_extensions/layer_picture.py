"""Draws what an encoder makes of an image, step by step, as SVG of the text's colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STEP, _HEIGHT, _LARGEST = 96, 132, 64

Shape = tuple[int, ...]


def layer_picture(shapes: Sequence[Shape], description: str) -> str:
    """Return boxes for grids of values and bars for vectors, from the image to the code."""
    middle = _HEIGHT / 2 - 12
    width = _STEP * len(shapes)
    parts = []
    for number, shape in enumerate(shapes):
        centre = _STEP * (number + 0.5)
        parts.append(_grid(shape, centre, middle) if len(shape) == 3 else _vector(shape, centre, middle))
        parts.append(
            f'<text x="{centre}" y="{_HEIGHT - 8}" text-anchor="middle" font-size="13" fill="currentColor">'
            f"{' × '.join(map(str, shape))}</text>"
        )
        if number:
            edge = _STEP * number
            parts.append(
                f'<path d="M{edge - 6} {middle}h10m-4 -4l4 4l-4 4" fill="none" stroke="currentColor"/>'
            )
    return (
        f'<div class="layers"><svg role="img" aria-label="{escape(description, quote=True)}" width="{width}" '
        f'height="{_HEIGHT}" viewBox="0 0 {width} {_HEIGHT}">{"".join(parts)}</svg></div>'
    )


def _grid(shape: Shape, centre: float, middle: float) -> str:
    """Return as many squares as the logarithm of the channels says, the size of the grid."""
    side = max(8, round(_LARGEST * shape[0] / 28))
    sheets = min(5, max(1, shape[2].bit_length() - 1))
    left, top = centre - side / 2 - 1.5 * sheets, middle - side / 2 - 1.5 * sheets
    return "".join(
        f'<rect x="{left + 3 * sheet}" y="{top + 3 * sheet}" width="{side}" height="{side}" rx="2" '
        'fill="var(--pst-color-background)" stroke="currentColor"/>'
        for sheet in range(sheets)
    )


def _vector(shape: Shape, centre: float, middle: float) -> str:
    """Return a bar, as high as the logarithm of the numbers says."""
    height = 9 * max(1, shape[0].bit_length())
    return (
        f'<rect x="{centre - 5}" y="{middle - height / 2}" width="10" height="{height}" rx="2" '
        'fill="var(--pst-color-primary)" stroke="none"/>'
    )
