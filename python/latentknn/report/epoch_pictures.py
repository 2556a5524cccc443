"""Pictures of what a model rebuilds and generates, one of each after every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.datasets import Dataset
from latentknn.evaluation import generate_images
from latentknn.evaluation.splitting import hold_out_share
from latentknn.models.backend import keras
from latentknn.report.reconstruction_figure import choose_examples

_COLUMNS = 10
_REBUILT = 50
_GENERATED = 100
_IMAGES_TO_IMITATE = 2000
# Every pixel becomes a square of so many, so that small images can be seen.
_ENLARGED = 2


class EpochPictures(keras.callbacks.Callback):  # type: ignore[misc]
    """Write 50 held-out images with their reconstructions, and 100 generated images, after every epoch.

    A model without reconstructions, or that can neither generate nor decode, has no such pictures, and an
    epoch whose loss is not finite has none. The generated images of all epochs have the same noise, where the
    model has a distribution of its own to draw from.

    Parameters
    ----------
    folder : Path
        Folder of the pictures, ``reconstructions_0001.png`` and ``generated_0001.png`` of the first epoch. It
        is made if it does not exist.
    dataset : Dataset
        The data of the experiment.
    seed : int
        Seed of the experiment, by which its images are held out.
    """

    def __init__(self, folder: Path, dataset: Dataset, seed: int) -> None:
        super().__init__()
        kept, held_out = hold_out_share(dataset.train_labels, seed)
        shown = held_out[choose_examples(dataset.train_labels[held_out], rows=_REBUILT // _COLUMNS)]
        self._folder = folder
        self._originals = dataset.train_images[shown]
        few = kept[:_IMAGES_TO_IMITATE]
        self._few = dataset.train_images[few], dataset.train_labels[few]
        self._seed = seed

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the pictures of this epoch."""
        if logs is not None and not np.isfinite(logs.get("loss", 0.0)):
            return
        capabilities = self.model.capabilities
        if "reconstruct" in capabilities:
            rebuilt = self.model.reconstruct(self._originals)
            originals = np.asarray(self._originals.reshape(rebuilt.shape) / 255, np.float32)
            self._write(f"reconstructions_{epoch + 1:04}.png", _row_under_row(originals, rebuilt))
        if not capabilities.isdisjoint({"generate", "decode"}):
            generated = generate_images(self.model, _GENERATED, *self._few, self._seed)
            self._write(f"generated_{epoch + 1:04}.png", generated)

    def _write(self, name: str, images: NDArray[np.float32]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(255 * mosaic(images)).astype(np.uint8)
        with atomic_file(self._folder / name) as unfinished:
            colours = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
            imsave(unfinished, colours, format="png")


def mosaic(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images (n, H, W, C) side by side, ten in a row, as one image, black where there are no more.

    Three channels are colours, (rows, columns, 3); of any other number it is their mean, (rows, columns).
    """
    _, height, width, channels = images.shape
    missing = -len(images) % _COLUMNS
    filled = np.concatenate([images, np.zeros((missing, height, width, channels), np.float32)])
    rows = filled.reshape(-1, _COLUMNS, height, width, channels).transpose(0, 2, 1, 3, 4)
    one = rows.reshape(-1, _COLUMNS * width, channels)
    enlarged = one.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    return enlarged if channels == 3 else enlarged.mean(axis=-1)


def _row_under_row(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ten images of the first, the ten of the second that belong to them, the next ten, and so on."""
    starts = range(0, len(first), _COLUMNS)
    blanks = np.zeros((-len(first) % _COLUMNS, *first.shape[1:]), np.float32)
    first, second = (np.concatenate([each, blanks]) for each in (first, second))
    rows = [each[start : start + _COLUMNS] for start in starts for each in (first, second)]
    return np.concatenate(rows)
