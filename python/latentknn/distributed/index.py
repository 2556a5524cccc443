"""An index whose shards are searched by other processes, on one machine or many."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.arrays import as_rows, as_similarities
from latentknn.distributed.calls import TIMEOUT, Calls
from latentknn.distributed.client import Client, seconds
from latentknn.distributed.columns import class_counts, fetch_ids, fetch_labels
from latentknn.distributed.filtering import ServedRows, of_mask, search_among
from latentknn.distributed.range_searches import RangeSearches
from latentknn.distributed.rounds import ask_by_codes, ask_per_class_once, shared
from latentknn.distributed.runtime import Attachment
from latentknn.distributed.serving import Serving
from latentknn.distributed.status import ClusterStatus, status_of
from latentknn.index import SearchResult
from latentknn.index.class_search import queries_of_classes
from latentknn.index.counts import neighbour_count
from latentknn.index.filters import Groups, as_filter
from latentknn.shards.class_rounds import rounded_queries
from latentknn.shards.merging import without_themselves

_Answer = TypeVar("_Answer")

_SELF_ROWS = 16_384
"""Codes of a shard that are queries together when an index is searched by itself."""


class DistributedIndex(RangeSearches):
    """The shards of a folder, searched by the nodes of a Ray cluster; `start` and `connect` return one.

    Answers are the same bytes as those of one `CosineIndex` of all codes, or an error: every shard of the
    manifest has answered, with its generation, number, digest and rows, or there is no answer.

    Notes
    -----
    Safe to use from several threads. At most four batches of a client are under way at once; others wait, as
    long as their time-out allows. For ``with``: leaving the block is `stop`. A pickle of it, in a task of the
    same cluster, asks the same workers.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], labels=["right", "both", "up"])
    >>> with lk.distributed.start(folder) as index:
    ...     index.set_mask("recent", [False, True, True])
    ...     found = index.search([[1.0, 0.0]], k=2, allowed="recent")
    ...     print(index.labels[found.ids].tolist())
    [['both', 'up']]
    """

    def __init__(self, client: Client, only: Serving | None = None) -> None:
        self._client = client
        self._only = only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __reduce__(self) -> tuple[Callable[..., DistributedIndex], tuple[Any, ...]]:
        serving = self._serving
        known = serving.folder, serving.manifest, serving.groups, serving.members, serving.replicas
        return _attached, (known, self._client.name, self._only is not None)

    @property
    def _serving(self) -> Serving:
        return self._client.serving if self._only is None else self._only

    def _answered(
        self, timeout: float, answer: Callable[[Calls], _Answer], mask_name: str | None = None
    ) -> _Answer:
        return self._client.answered(timeout, answer, mask_name, self._only)

    @property
    def name(self) -> str | None:
        """The name by which others connect, if there is one."""
        return self._client.name

    @property
    def path(self) -> str:
        """The folder, as every node sees it."""
        return self._serving.folder

    @property
    def generation(self) -> int:
        """Number of the manifest that is served."""
        return self._serving.manifest.generation

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._serving.manifest.dim

    @property
    def exact(self) -> bool:
        """Whether the answers keep the exactness contract: they do."""
        return True

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, shape (n,), int64, in order of position; they are fetched each time."""
        return self._answered(TIMEOUT, fetch_ids)

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, shape (n,), in order of position, or None; they are fetched each time."""
        return self._answered(TIMEOUT, fetch_labels)

    @property
    def classes(self) -> NDArray[Any]:
        """The distinct labels, sorted; ValueError where the index has no labels."""
        return self._answered(TIMEOUT, class_counts)[0]

    def __len__(self) -> int:
        return self._serving.manifest.rows

    def __repr__(self) -> str:
        serving = self._serving
        manifest = serving.manifest
        return (
            f"DistributedIndex({manifest.rows} codes of dimension {manifest.dim} in {len(manifest.shards)} "
            f"shards, {len(serving.members)} workers, generation {manifest.generation})"
        )

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        allowed: ArrayLike | Groups | str | None = None,
        at_least: ArrayLike | None = None,
        pad: bool = False,
        scores64: bool = False,
        timeout: float = TIMEOUT,
    ) -> SearchResult:
        """Find each query's k most cosine-similar codes, as `CosineIndex.search` does.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            Rounded once to float32.
        k : int
            Neighbours a query, from 1 to the number of (allowed) codes, of all shards together.
        allowed : array-like, Groups or str, optional
            As `CosineIndex.search` takes it, or the name of a mask, which `set_mask` has left on the shards.
            Each different mask of a query's own, and each group, asks the shards by itself. For groups by
            labels, these are fetched.
        at_least, pad
            As `CosineIndex.search` takes them.
        scores64 : bool
            Whether to return the float64 similarities too.
        timeout : float
            Seconds after which a shard that has not answered is an error.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (M, k).

        Raises
        ------
        AnswerTimeoutError
            Where shards have not answered in time; they are named. Also an `IncompleteAnswerError` and a
            `TimeoutError`.
        ClusterLostError
            Where the head of the cluster is gone.
        GenerationError
            Where another generation is served, and this index is `pinned`, has no name or finds no newer one.
        IncompleteAnswerError
            Where a shard cannot answer, or did not answer as the manifest has it; it is named.
        OSError, ValueError
            Where a shard that a worker has to read again is damaged or gone; nothing is asked again then.
        TypeError, ValueError
            As `CosineIndex.search`.
        UnknownMaskError
            For a name of no mask.
        """
        rows = as_rows(queries, "queries", self.dim)
        lowest = None if at_least is None else as_similarities(at_least, "at_least", len(rows))
        rounded = _core.round_rows(rows, "queries")

        name = allowed if isinstance(allowed, str) else None

        def answer(calls: Calls) -> SearchResult:
            mask = None if name is None else self._client.named_mask(calls, name)
            if mask is not None:
                chosen = of_mask(mask, len(rounded))
            else:
                chosen = as_filter(allowed, ServedRows(calls), len(rounded))
            count = chosen.neighbours(k, pad)
            return search_among(calls, rounded, count, chosen, mask, scores64, lowest, pad)

        return self._answered(timeout, answer, name)

    def search_self(
        self, k: int = 10, *, scores64: bool = False, timeout: float = 60 * TIMEOUT
    ) -> SearchResult:
        """Find the k nearest other codes of every code, as `CosineIndex.search_self` does.

        Parameters
        ----------
        k : int
            Neighbours a code, from 1 to the number of codes less one.
        scores64 : bool
            Whether to return the float64 similarities too.
        timeout : float
            Seconds for all codes together.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (n, k), in order of position. `latentknn.distributed.self_join`
            writes them to files instead.

        Raises
        ------
        AnswerTimeoutError, ClusterLostError, IncompleteAnswerError, OSError
            See `search`.
        ValueError
            For a k out of range, and see `search`.
        """
        k = neighbour_count(k, len(self) - 1, "other codes in the index")

        def answer(calls: Calls) -> SearchResult:
            found = [
                ask_by_codes(calls, number, slice(begin, begin + _SELF_ROWS), k + 1).found(scores64)
                for number, entry in enumerate(calls.serving.manifest.shards)
                for begin in range(0, entry.rows, _SELF_ROWS)
            ]
            return without_themselves(found)

        return self._answered(timeout, answer)

    def search_per_class(
        self, queries: ArrayLike, k: int = 1, *, scores64: bool = False, timeout: float = TIMEOUT
    ) -> SearchResult:
        """Find each query's k most cosine-similar codes of every class, as `CosineIndex.search_per_class`.

        Parameters
        ----------
        queries : array-like of shape (M, d), or (C, M, d)
            Rounded once to float32. In three dimensions, what is looked for in each class, in the order of
            `classes`.
        k : int
            Neighbours a query and class, from 1 to the number of codes of the smallest class, of all shards
            together.
        scores64 : bool
            Whether to return the float64 similarities too.
        timeout : float
            Seconds after which a shard that has not answered is an error.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (C, M, k).

        Raises
        ------
        AnswerTimeoutError, ClusterLostError, IncompleteAnswerError, OSError
            See `search`.
        TypeError, ValueError
            As `CosineIndex.search_per_class`, and see `search`.
        """

        def answer(calls: Calls) -> SearchResult:
            classes, counts = class_counts(calls)
            smallest = int(counts.argmin())
            count = neighbour_count(
                k, int(counts[smallest]), f"codes of class {classes.tolist()[smallest]!r}, the smallest"
            )
            rounded = rounded_queries(queries_of_classes(queries, self.dim, classes), classes)
            same = all(rows is rounded[0] for rows in rounded)
            sent = shared(rounded[0] if same else np.stack(rounded))
            return ask_per_class_once(calls, sent, len(rounded[0]), classes, count, scores64)

        return self._answered(timeout, answer)

    def set_mask(self, name: str, flags: ArrayLike, *, timeout: float = TIMEOUT) -> None:
        """Leave a mask on the shards, so that searches name it and do not send it.

        Parameters
        ----------
        name : str
            Any; a mask of the same name is replaced. Other clients may use the name too.
        flags : array-like of shape (n,), bool
            Which codes may be found.
        timeout : float
            Seconds to wait.

        Raises
        ------
        IncompleteAnswerError
            Where no worker of some shards has taken it.
        TypeError, ValueError
            For a mask that is not boolean, or of another length.

        Notes
        -----
        Masks belong to a generation: after `publish` they have to be set again. A worker that begins again is
        given the mask again by the client that set it.
        """
        self._client.set_mask(name, flags, timeout)

    def forget_mask(self, name: str) -> None:
        """Free the memory of a mask; one that is not there is none."""
        self._client.forget_mask(name)

    def pinned(self) -> DistributedIndex:
        """Return this index, bound to the generation that it serves now.

        Searches that belong together, and what is told of positions, such as the labels, are then of one
        generation: after a `publish`, by whomever, what is returned raises `GenerationError` and does not go
        over to the new one. `latentknn.CosineKNNClassifier.from_index` and the jobs bind what they are given.

        Returns
        -------
        DistributedIndex
            This one where it is bound already, or one of the same workers and client: `stop` and
            `disconnect` are those of the index itself.

        Examples
        --------
        >>> fixed = index.pinned()  # doctest: +SKIP
        >>> fixed.labels[fixed.search(queries, k=1).positions]  # doctest: +SKIP
        """
        return self if self._only is not None else DistributedIndex(self._client, self._serving)

    def publish(self, generation: int | None = None, *, timeout: float = 10 * TIMEOUT) -> None:
        """Serve the newest manifest of the folder, without a gap.

        The new workers read their shards while the old ones answer. Then batches go to the new ones, and the
        old ones end when the last batch that they answer is done. Both are in memory until then.

        Parameters
        ----------
        generation : int, optional
            The number that the newest manifest must have.
        timeout : float
            Seconds for the new workers to read their shards.

        Raises
        ------
        IncompleteAnswerError, MemoryError, OSError
            Where the new generation cannot be served; the old one still is.
        ValueError
            Where the folder holds another generation, or a damaged shard, which is named; the same.
        """
        self._client.publish(generation, timeout)

    def status(self, *, timeout: float = 10.0) -> ClusterStatus:
        """Return what each worker holds and does; one that does not answer in time is listed as such."""
        return status_of(self._serving, self.name, seconds(timeout))

    def stop(self) -> None:
        """End the workers, and the cluster, where `start` began one for this process alone."""
        self._client.end(workers=True)

    def disconnect(self) -> None:
        """Leave the workers to other clients, for an index that has a name."""
        self._client.end(workers=False)


def _attached(known: tuple[Any, ...], name: str | None, pinned: bool) -> DistributedIndex:
    """Return an index in another process of the cluster, such as that of a task."""
    index = DistributedIndex(Client(Serving(*known), Attachment("auto"), name))
    return index.pinned() if pinned else index
