"""Small pictures in HTML, as PNG within it."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from latentknn.notebook.tables import Markup

_SIDE = 32
"""Height of a picture, in pixels of the screen."""

_MOST_PIXELS = 96
"""Largest side of what is embedded; of larger pictures every second pixel is, or every third."""


def picture_strip(images: NDArray[np.uint8], description: str) -> Markup | None:
    """Return images side by side as one picture; None where Pillow is missing or there are no images.

    Parameters
    ----------
    images : ndarray of shape (n, h, w) or (n, h, w, c), uint8
        A few images, with 1, 3 or 4 channels.
    description : str
        What they are, for those who cannot see them.
    """
    try:
        from PIL import Image
    except ImportError:
        return None
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if len(images) == 0 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,), (4,)):
        return None
    step = -(-max(images.shape[1:3]) // _MOST_PIXELS)
    images = images[:, ::step, ::step]
    gap = np.full_like(images[:, :, :1], 255)
    strip = np.concatenate([part for pair in zip(images, gap, strict=True) for part in pair][:-1], axis=1)
    picture = Image.fromarray(np.ascontiguousarray(strip))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Markup(
        f'<img src="{uri}" alt="{escape(description, quote=True)}" '
        f'style="height:{_SIDE}px;max-width:none;image-rendering:pixelated">'
    )
