"""Pictures in files or in memory become arrays of one shape."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.errors import DatasetCorruptError

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}
_TURNED = {5, 6, 7, 8}
"""Values of the EXIF field of the orientation that swap height and width."""

_ORIENTATION = 0x0112


def pillow() -> ModuleType:
    """Return the module ``PIL``, with what is used of it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message names the extra to install.
    """
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ModuleNotFoundError(
            f"PNG and JPEG pictures are read by Pillow ({error}); "
            'install it with: pip install "latentknn[images]"'
        ) from error
    return PIL


@dataclass(frozen=True)
class Picture:
    """A picture that is not decoded yet.

    Parameters
    ----------
    content : Path or bytes
        The file, or its content.
    origin : str
        Name of the picture for messages.
    """

    content: Path | bytes
    origin: str

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give the picture as Pillow's image, of which only the head is read so far.

        Raises
        ------
        DatasetCorruptError
            If it is none that Pillow reads, or Pillow fails in the block; the message names it.
        """
        pil = pillow()
        source = io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content
        try:
            with pil.Image.open(source) as image:
                yield image
        except (OSError, ValueError, SyntaxError) as error:
            raise DatasetCorruptError(f"{self.origin} cannot be read as a picture: {error}") from error


def decode(
    pictures: Sequence[Picture], image_size: tuple[int, int] | None, channels: int | None
) -> NDArray[np.uint8]:
    """Decode pictures of any size and kind.

    Parameters
    ----------
    pictures : sequence of Picture
        At least one.
    image_size : tuple of int, or None
        Height and width that all are resized to, by Pillow's bilinear filter; None: all must have one size.
    channels : {1, 3, 4} or None
        Grey, red-green-blue, or that with opacity; None: 1 if all pictures are grey, otherwise 3, and
        opacity is dropped.

    Returns
    -------
    ndarray of uint8, shape (N, H, W) if channels is 1, otherwise (N, H, W, channels)
        Pixels from 0 to 255. Pictures of 16 bits are divided by 257, and the orientation that a camera noted
        is heeded.

    Raises
    ------
    ValueError
        If sizes differ and `image_size` is None; the message names two pictures.
    DatasetCorruptError
        If a picture is damaged; the message names it.
    """
    if channels not in (None, *_MODES):
        raise ValueError(f"received channels {channels}, expected 1, 3 or 4")
    if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
        raise ValueError(f"received image_size {image_size}, expected a height and a width of at least 1")
    sizes, grey = [], True
    for picture in pictures:
        with picture.opened() as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
            sizes.append((width, height) if turned else (height, width))
            grey = grey and image.mode in _GREY_MODES
    if image_size is None:
        other = next((place for place, size in enumerate(sizes) if size != sizes[0]), None)
        if other is not None:
            raise ValueError(
                f"{pictures[0].origin} has {sizes[0][0]}x{sizes[0][1]} pixels, but "
                f"{pictures[other].origin} {sizes[other][0]}x{sizes[other][1]}; give all one size by "
                "image_size=(height, width)"
            )
        image_size = sizes[0]
    channels = channels or (1 if grey else 3)
    shape = (len(pictures), *image_size) if channels == 1 else (len(pictures), *image_size, channels)
    pixels = np.empty(shape, np.uint8)
    for place, picture in enumerate(pictures):
        pixels[place] = _pixels(picture, image_size, _MODES[channels])
    return pixels


def _pixels(picture: Picture, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    pil = pillow()
    with picture.opened() as image:
        upright = pil.ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            # Pillow itself would cut values above 255 off.
            upright = pil.Image.fromarray((np.asarray(upright).astype(np.int64) // 257).astype(np.uint8))
        converted = upright.convert(mode)
        if converted.size != (size[1], size[0]):
            converted = converted.resize((size[1], size[0]), pil.Image.Resampling.BILINEAR)
        return np.asarray(converted, np.uint8)
