"""Results of searches."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentknn.engines.database import NO_ROW
from latentknn.files.metadata_column import import_arrow
from latentknn.index.appearance import result_html, result_text


class Belongings(Protocol):
    """What belongs to the rows of an index, in the state that a search saw."""

    def labels_of(self, ids: NDArray[np.int64]) -> NDArray[Any] | None:
        """Return the labels of the rows with some ids, which there are; None where rows have none."""

    def metadata_of(self, ids: NDArray[np.int64]) -> Any:
        """Return the metadata of the rows with some ids, which there are; None where rows have none."""


@dataclass(frozen=True, eq=False)
class _LookedUp:
    """What belongs to the neighbours of a result, in their order: all that a pickle takes along.

    The ids that it is asked about are those of all neighbours, or of the first.
    """

    labels: NDArray[Any] | None
    metadata: Any

    def labels_of(self, ids: NDArray[np.int64]) -> NDArray[Any] | None:
        return None if self.labels is None else self.labels[: len(ids)]

    def metadata_of(self, ids: NDArray[np.int64]) -> Any:
        return self.metadata


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The neighbours of a batch of queries; unpacks into ``similarities, ids``. Equal to itself alone.

    Where they were asked for on a device, the arrays are in its memory: ``torch.from_dlpack``,
    ``cupy.from_dlpack`` and their like take them without a copy, and ``to_host()`` gives an ndarray.

    Attributes
    ----------
    similarities : ndarray of shape (M, k), float32
        Cosine similarities, in [-1, 1], best first. Here and below (C, M, k) where every one of C classes was
        searched.
    ids : ndarray of shape (M, k), int64
        The neighbours' ids.
    positions : ndarray of shape (M, k), int64
        The neighbours' positions in the index, in order of insertion.
    scores64 : ndarray of shape (M, k), float64, or None
        The similarities before rounding, by which the neighbours are ordered, where asked for.

    Examples
    --------
    >>> import latentknn as lk
    >>> result = lk.cosine_search([[1.0, 0.0], [0.0, 1.0]], [[3.0, 4.0]], k=2)
    >>> result
    SearchResult(1 query, 2 neighbours each, similarities from 0.6000 to 0.8000)
    >>> similarities, ids = result
    >>> ids.tolist()
    [[1, 0]]
    >>> print(similarities.round(2))
    [[0.8 0.6]]

    An index tells its labels and metadata with its answers, as they were when it was searched:

    >>> index = lk.CosineIndex.from_codes([[1.0, 0.0], [0.0, 1.0]], ["right", "up"])
    >>> index.search([[3.0, 4.0]], k=2).labels.tolist()
    [['up', 'right']]
    """

    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64] | None = None
    _belongings: Belongings | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return result_text(self)

    def _repr_html_(self) -> str:
        return result_html(self)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.similarities, self.ids))

    @property
    def scores(self) -> NDArray[np.float64]:
        """`scores64` where there are any, else the rounded similarities as float64; on the host."""
        scores: Any = self.similarities if self.scores64 is None else self.scores64
        host = scores if isinstance(scores, np.ndarray) else scores.to_host()
        return host.astype(np.float64, copy=False)

    @property
    def labels(self) -> NDArray[Any] | None:
        """The neighbours' labels, shape (M, k), looked up at each call; None where the index has none.

        They are those of the state of the index that the search saw. Where an answer ends early, the array is
        a `numpy.ma.MaskedArray`, and labels of neighbours that there are not are masked.

        Raises
        ------
        ValueError
            For answers of shards, of which ``index.labels[result.positions]`` gives the labels.
        """
        there, known = self._found()
        found = known.labels_of(self._host_ids()[there])
        if found is None:
            return None
        labels = np.zeros(there.shape, found.dtype)
        labels[there] = found
        return labels if there.all() else np.ma.MaskedArray(labels, ~there)

    @property
    def metadata(self) -> Any:
        """The neighbours' metadata: a `pyarrow.Table`, looked up at each call; None where the index has none.

        Its rows are the neighbours of the first query, then those of the second, and so on; null where there
        is none. So ``result.metadata["file"].to_numpy().reshape(result.ids.shape)`` is a column, (M, k).

        Raises
        ------
        ValueError
            For answers of shards; take the rows ``result.positions`` of ``index.metadata`` instead.
        """
        there, known = self._found()
        found = known.metadata_of(self._host_ids()[there])
        if found is None:
            return None
        if there.all():
            return found
        numbers = np.maximum(np.cumsum(there.ravel()) - 1, 0)
        return found.take(import_arrow().array(numbers, mask=~there.ravel()))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._belongings is not None:
            there, known = self._found()
            ids = self._host_ids()[there]
            state["_belongings"] = _LookedUp(known.labels_of(ids), known.metadata_of(ids))
        return state

    def _labels_of_first(self, rows: int) -> NDArray[Any] | None:
        """Return the labels of the neighbours of the first queries; None where nobody knows labels."""
        if self._belongings is None:
            return None
        k = self.ids.shape[-1]
        return replace(
            self,
            similarities=self.similarities.reshape(-1, k)[:rows],
            ids=self.ids.reshape(-1, k)[:rows],
            positions=self.positions.reshape(-1, k)[:rows],
            scores64=None,
        ).labels

    def _found(self) -> tuple[NDArray[np.bool_], Belongings]:
        """Return which neighbours there are, and what tells of them."""
        if self._belongings is None:
            raise ValueError(
                "answers of shards tell no labels and no metadata; use index.labels[result.positions], or "
                "the rows result.positions of index.metadata"
            )
        positions: Any = self.positions
        host = positions if isinstance(positions, np.ndarray) else positions.to_host()
        there: NDArray[np.bool_] = np.not_equal(host, NO_ROW)
        return there, self._belongings

    def _host_ids(self) -> NDArray[np.int64]:
        ids: Any = self.ids
        host: NDArray[np.int64] = ids if isinstance(ids, np.ndarray) else ids.to_host()
        return host
