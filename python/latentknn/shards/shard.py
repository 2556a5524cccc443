"""A shard of an index: some of its rows, and where in the whole index they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.engines import make_database
from latentknn.engines.cpu_engine import CpuDatabase
from latentknn.index import SearchResult
from latentknn.index.class_search import ClassSearch
from latentknn.index.contents import core_rows
from latentknn.index.labelled_rows import LabelledRows


class Searchable(Protocol):
    """What a shard's rows are searched by: a `CosineIndex`, or what has these of its methods.

    Examples
    --------
    >>> import latentknn as lk
    >>> def nearest(index: lk.shards.Searchable) -> list[list[int]]:
    ...     return index.search([[3.0, 1.0]], k=1).ids.tolist()
    >>> nearest(lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]]))
    [[0]]
    """

    def __len__(self) -> int:
        """Return the number of codes."""

    @property
    def dim(self) -> int:
        """Dimensions of a code."""

    @property
    def exact(self) -> bool:
        """Whether the answers keep the exactness contract."""

    @property
    def codes(self) -> NDArray[np.float32]:
        """The codes, in order of insertion."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, in order of insertion."""

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, in order of insertion, or None."""

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        allowed: ArrayLike | None,
        at_least: ArrayLike | None,
        scores64: bool,
    ) -> SearchResult:
        """Find each query's k most similar codes, as `CosineIndex.search` does."""


class Shard(Protocol):
    """Rows of an index that do not change."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def codes(self) -> NDArray[np.float32]:
        """Return the codes, which nobody writes to."""

    def ids(self) -> NDArray[np.int64] | None:
        """Return the ids; None where an id is the position in the whole index."""

    def labels(self) -> NDArray[Any] | None:
        """Return the labels, if there are any."""

    def core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return the rows and the number of threads, where the core holds the rows to stay; else None."""

    def metadata(self) -> Any:
        """Return a table of Arrow with the metadata, if there are any."""

    def searchable(self) -> AbstractContextManager[Searchable]:
        """Give what searches the rows, for the time of a block."""

    def classes_apart(self) -> AbstractContextManager[ClassSearch]:
        """Give what searches the rows class by class, for the time of a block; there are labels."""


class IndexShard:
    """A shard that is an index in memory.

    Parameters
    ----------
    index : Searchable
    number : int
        Which shard it is, for messages.
    """

    def __init__(self, index: Searchable, number: int) -> None:
        self._index = index
        self._number = number
        self._count = len(index)
        self._classes_apart: ClassSearch | None = None

    def __len__(self) -> int:
        return self._count

    def codes(self) -> NDArray[np.float32]:
        """Return the codes."""
        return self._unchanged().codes

    def ids(self) -> NDArray[np.int64]:
        """Return the ids."""
        return self._unchanged().ids

    def labels(self) -> NDArray[Any] | None:
        """Return the labels, if there are any."""
        return self._unchanged().labels

    def core_rows(self) -> tuple[CpuDatabase, int] | None:
        """Return the rows of the index and its number of threads, where the core searches them."""
        return core_rows(self._unchanged())

    def metadata(self) -> Any:
        """Return the metadata of the index, if it is one that has any."""
        return getattr(self._unchanged(), "metadata", None)

    @contextmanager
    def searchable(self) -> Iterator[Searchable]:
        """Give the index."""
        yield self._unchanged()

    @contextmanager
    def classes_apart(self) -> Iterator[ClassSearch]:
        """Give the classes, which are set apart once."""
        index = self._unchanged()
        if self._classes_apart is None:
            self._classes_apart = set_classes_apart(index.codes, index.ids, index.labels)
        yield self._classes_apart

    def _unchanged(self) -> Searchable:
        if len(self._index) != self._count:
            raise RuntimeError(
                f"shard {self._number} had {self._count} codes and has {len(self._index)} now; make another "
                "ShardedIndex after a change"
            )
        return self._index


def set_classes_apart(
    codes: NDArray[np.float32], ids: NDArray[np.int64] | None, labels: NDArray[Any] | None
) -> ClassSearch:
    """Return what searches labelled rows class by class; without ids, an id is the position among them."""
    rows = LabelledRows(len(codes), labels, ids)
    empty = partial(make_database, "cpu", codes.shape[1], "auto")
    return ClassSearch(codes, rows, empty, _core.usable_processors())
