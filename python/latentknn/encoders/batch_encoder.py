"""The encoder of a function that turns one batch into codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array
from latentknn.encoders.encoder import Encoder
from latentknn.progress import ProgressLike, progress_of

DEFAULT_BATCH_SIZE = 256
"""Items of a batch where the caller names no number."""


class BatchEncoder(Encoder):
    """Calls a function with one batch after the other, and checks what it returns.

    Parameters
    ----------
    function : callable
        Function of a batch of n items that returns codes, an array of shape (n, d). Numbers come as an
        ndarray; texts and other objects come as a list.
    name : str
        Name of the encoder for reports and messages.
    prepare : callable, optional
        Function of a batch that returns what `function` takes, such as images with channels and scaled.
    batch_size : int
        Largest number of items of a batch.

    Raises
    ------
    ValueError
        If `batch_size` is below 1.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        name: str,
        prepare: Callable[[Any], Any] | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"received batch_size {batch_size}, expected at least 1")
        self.registry_name = name
        self.batch_size = batch_size
        self._function = function
        self._prepare = prepare

    def encode(self, x: Any, *, progress: ProgressLike = False) -> NDArray[Any]:
        """Turn items into codes, batch by batch.

        Parameters
        ----------
        x : array-like or list, with N items
            What the function takes.
        progress : bool or callable
            True shows a bar on the error output, if that is a terminal or a notebook. A function is called
            with the number of encoded items and of all, from (0, N) to (N, N), after every batch.

        Returns
        -------
        ndarray of shape (N, d)
            The codes, of the dtype that the function gives them.

        Raises
        ------
        TypeError, ValueError
            If there is no item, `progress` is no function, or the function returns something else than one
            code for every item. An error of the function itself is passed on, with a note of what it was
            given.
        """
        items = x if isinstance(x, list | tuple | np.ndarray) else as_array(x, "items")
        codes, done = [], 0
        with progress_of(progress, "encode") as tell:
            tell(0, len(items))
            for batch in self._batches(items):
                codes.append(self._encode_batch(batch))
                done += len(batch)
                tell(done, len(items))
        if len({code.shape[1] for code in codes}) > 1:
            dims = sorted({code.shape[1] for code in codes})
            raise ValueError(f"{self.registry_name} gave codes of different lengths: {dims}")
        return np.concatenate(codes)

    def encode_labelled(self, x: Any, labels: ArrayLike, *, progress: ProgressLike = False) -> NDArray[Any]:
        """Turn items into codes, whatever their classes are: ``encode``."""
        return self.encode(x, progress=progress)

    def encode_queries(self, x: Any, *, progress: ProgressLike = False) -> NDArray[Any]:
        """Turn items into what is searched for: ``encode``."""
        return self.encode(x, progress=progress)

    def _batches(self, items: Any) -> Iterator[Any]:
        if len(items) == 0:
            raise ValueError("received no items to encode")
        for start in range(0, len(items), self.batch_size):
            batch = items[start : start + self.batch_size]
            objects = isinstance(batch, np.ndarray) and batch.dtype.kind in "OSTU"
            yield list(batch.tolist()) if objects else batch

    def _encode_batch(self, batch: Any) -> NDArray[Any]:
        try:
            given = batch if self._prepare is None else self._prepare(batch)
            returned = self._function(given)
        except Exception as error:
            error.add_note(
                f"{self.registry_name} was given a batch of {_describe(batch)}; where it takes another, "
                "as_encoder(..., prepare=function) makes that of a batch"
            )
            raise
        if isinstance(returned, dict):
            raise TypeError(
                f"{self.registry_name} returned a dictionary of {', '.join(map(str, returned))}, expected "
                "one array of codes; pass a function that returns one of them"
            )
        codes = as_array(returned, f"codes of {self.registry_name}")
        if codes.ndim != 2 or len(codes) != len(batch) or codes.shape[1] == 0:
            raise ValueError(
                f"{self.registry_name} returned shape {codes.shape} for {len(batch)} items, expected "
                f"({len(batch)}, d): one code for every item, with its numbers in one dimension; flatten or "
                "pool the others"
            )
        return codes


def _describe(batch: Any) -> str:
    if isinstance(batch, np.ndarray):
        return f"shape {batch.shape} and dtype {batch.dtype}"
    return f"{len(batch)} objects, the first of them a {type(batch[0]).__name__}"
