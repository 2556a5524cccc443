"""Codes that were made elsewhere, as an encoder."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array, as_matrix
from latentknn.encoders.encoder import Encoder


class ReadyCodes(Encoder):
    """Look codes up that were made elsewhere.

    Parameters
    ----------
    codes : array-like of shape (N, d)
        The codes.
    items : array-like or list, with N items, optional
        The images or texts of the codes. An item is known by its content, so that it is found in whatever
        order and part of the data it comes. Without them the items are codes themselves, of length d.

    Raises
    ------
    TypeError, ValueError
        If `codes` is no matrix, there is not one code for every item, or two equal items have different
        codes; the message names the items.

    Examples
    --------
    >>> from latentknn.encoders import ReadyCodes
    >>> encoder = ReadyCodes([[1.0, 0.0], [0.0, 1.0]], items=["right", "up"])
    >>> encoder.encode(["up", "right"]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    registry_name = "ready codes"

    def __init__(self, codes: ArrayLike, items: Any = None) -> None:
        self.codes = as_matrix(codes, "codes")
        if self.codes.ndim != 2:
            raise ValueError(f"received codes of shape {self.codes.shape}, expected (N, d)")
        self._rows: dict[bytes, int] | None = None
        if items is None:
            return
        keys = _keys(items)
        if len(keys) != len(self.codes):
            raise ValueError(f"received {len(self.codes)} codes for {len(keys)} items, expected one for each")
        self._rows = {}
        for number, key in enumerate(keys):
            known = self._rows.setdefault(key, number)
            if not np.array_equal(self.codes[known], self.codes[number], equal_nan=True):
                raise ValueError(f"items {known} and {number} are equal and have different codes")

    def encode(self, x: Any) -> NDArray[Any]:
        """Return the codes of items, or of items that are codes themselves these codes.

        Parameters
        ----------
        x : array-like or list, with N items
            Items of the same kind and dtype as those of the constructor.

        Returns
        -------
        ndarray of shape (N, d)

        Raises
        ------
        ValueError
            If an item has no code; the message names the first. Without items: if the codes have another
            length.
        """
        if self._rows is not None:
            return self.codes[self._found(x, self._rows)]
        codes = as_matrix(x, "codes")
        if codes.ndim != 2 or codes.shape[1] != self.codes.shape[1]:
            raise ValueError(
                f"received items of shape {codes.shape}, expected codes of shape (N, {self.codes.shape[1]}); "
                "ready codes of images or texts need these as items"
            )
        return codes

    def check_labelled(self, x: Any, labels: ArrayLike) -> None:
        """Raise what ``encode`` would raise for these items."""
        self.encode(x)

    def check_queries(self, x: Any) -> None:
        """Raise what ``encode`` would raise for these items."""
        self.encode(x)

    def _found(self, x: Any, rows: dict[bytes, int]) -> NDArray[np.intp]:
        found = [rows.get(key, -1) for key in _keys(x)]
        if -1 in found:
            raise ValueError(
                f"item {found.index(-1)} of {len(found)} has no code: it is none of the {len(self.codes)} "
                "items that came with the codes, or of another dtype"
            )
        return np.array(found, np.intp)


def _keys(items: Any) -> list[bytes]:
    """Return the digest of every item's content."""
    array = items if isinstance(items, list | tuple) else as_array(items, "items")
    return [hashlib.blake2b(_content(item), digest_size=16).digest() for item in array]


def _content(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    array = np.asarray(item)
    if array.dtype == object:
        raise TypeError(f"an item is a {type(item).__name__}, expected an array of numbers or a text")
    return f"{array.dtype} {array.shape} ".encode() + array.tobytes()
