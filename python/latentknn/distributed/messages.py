"""What workers and their callers send each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.files.manifest import Manifest
from latentknn.index import SearchResult


@dataclass(frozen=True)
class Description:
    """What a worker says of itself to those who connect.

    Parameters
    ----------
    folder : str
    manifest : Manifest
    groups : dict of int to tuple of int
        Numbers of the shards of each group that it holds.
    replicas : int
        Workers that were begun for each group.
    serves : bool
        Whether it has read its shards, and has not been told to serve no more.
    """

    folder: str
    manifest: Manifest
    groups: dict[int, tuple[int, ...]]
    replicas: int
    serves: bool


@dataclass(frozen=True)
class Receipt:
    """Which shard has answered.

    Parameters
    ----------
    generation : int
        Of the manifest that the worker serves.
    number : int
        Which shard of the manifest it is.
    digest : str
        Digest of the file that was read.
    rows : int
        Codes that were searched, those that a mask hides among them.
    """

    generation: int
    number: int
    digest: str
    rows: int


@dataclass(frozen=True, eq=False)
class Reply:
    """The answer of a group of shards, with a receipt of each of them.

    Parameters
    ----------
    receipts : tuple of Receipt
    content : Any
        What was asked for; for a search a `SearchResult`, or None where a mask hides every code.
    """

    receipts: tuple[Receipt, ...]
    content: Any

    @property
    def found(self) -> SearchResult | None:
        """What a search has found."""
        answer: SearchResult | None = self.content
        return answer


@dataclass(frozen=True, eq=False)
class MaskBits:
    """The codes of a group that may be found.

    Parameters
    ----------
    bits : ndarray of uint8
        The flags of the group's codes, shard after shard, packed eight to a byte.
    count : int
        Number of flags.
    available : int
        How many of them are set.
    """

    bits: NDArray[np.uint8]
    count: int
    available: int

    @classmethod
    def of(cls, flags: NDArray[np.bool_]) -> MaskBits:
        """Pack flags."""
        return cls(np.packbits(flags), len(flags), int(np.count_nonzero(flags)))

    def flags(self) -> NDArray[np.bool_]:
        """Return the flags."""
        return np.unpackbits(self.bits, count=self.count).view(np.bool_)


@dataclass(frozen=True)
class MaskName:
    """A mask that workers hold; the digest tells it from another of the same name."""

    name: str
    digest: str


Allowed = MaskBits | MaskName | None
