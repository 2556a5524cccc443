"""The exact cosine index."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn import _core
from latentknn.array_likes import as_array, is_on_device
from latentknn.arrays import as_flags, as_int64, as_rows
from latentknn.engines import (
    CudaDatabase,
    Database,
    Engine,
    FaissRequestError,
    automatic,
    device_arrays,
    make_database,
)
from latentknn.engines.database import Answer
from latentknn.index.class_search import ClassSearch
from latentknn.index.explanation import Consideration, Explanation
from latentknn.index.storage import read_index, write_index
from latentknn.labels import as_labels, join_labels
from latentknn.locks import ForkAwareLock

_MOST_THREADS = 1024
_IN_INDEX = "codes in the index"


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
    """

    similarities: NDArray[np.float32]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    scores64: NDArray[np.float64] | None = None

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.similarities, self.ids))

    @property
    def scores(self) -> NDArray[np.float64]:
        """`scores64` where there are any, else the rounded similarities as float64; on the host."""
        scores: Any = self.similarities if self.scores64 is None else self.scores64
        host = scores if isinstance(scores, np.ndarray) else scores.to_host()
        return host.astype(np.float64, copy=False)


class CosineIndex:
    """Exact k-nearest-neighbour search by cosine similarity, reproducible to the bit.

    The same query gets the same bytes whatever batch it comes in, on any number of threads, any
    instruction set and any screening strategy. Neighbours are ordered by similarity, descending, then by
    id, ascending. A zero vector has similarity 0 to everything.

    Parameters
    ----------
    dim : int
        Dimensions of a code.
    engine : {"auto", "cpu", "cuda", "faiss", "faiss-gpu"}, CudaEngine or FaissEngine
        What runs the searches; "auto" is "cpu", until the codes are 2^23 numbers. Then it is "cuda", if no
        strategy is named and devices answer, have room for the codes and give the same bytes for some of
        them; this is decided once, and `search_per_class` stays with the processor. What is said here about
        exactness holds for "cpu" and "cuda".
    strategy : {"auto", "fp32", "int16", "int8", "pca", "float64"}
        How rows are screened before they are scored exactly: in float32, in 16-bit integers, in 8-bit
        integers, in integers in the codes' principal subspace with an exact bound for the rest, or not at
        all. The answers are the same. "auto" begins with what is predicted to be the fastest for the codes;
        while it searches, queries for which that leaves too much go on in a finer arithmetic, and `explain`
        tells how many.
    threads : int, optional
        Threads to use; by default all the processors that this process may use.

    Raises
    ------
    ImportError, RuntimeError
        Where what the engine needs is missing; no other engine takes its place.
    ValueError
        For an unknown engine or strategy, or where the environment variable ``LATENTKNN_ISA`` names an
        instruction set that this processor lacks.

    Notes
    -----
    Safe to use from several threads. A copy, or what pickle makes of an index in another process, is an
    index of its own with the same codes, engine, strategy and threads. Memory: the codes as float32, one
    packed copy of them (half as large for "int16", a quarter for "int8", smaller for "pca") and some tens of
    MiB while a search runs; "auto" keeps one in 8 bits, or in 16 or 32 where 8 tell too little apart, and a
    smaller one of the principal subspace where that pays. The other engines keep the codes on the host, and
    what they search beside them: see `CudaEngine` and `FaissEngine`.
    While "auto" tries devices, the host holds up to three more copies of the codes.
    """

    def __init__(
        self,
        dim: int,
        *,
        engine: Engine = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> None:
        dim = _positive(dim, "dim")
        if threads is not None:
            threads = _positive(threads, "threads")
            if threads > _MOST_THREADS:
                raise ValueError(f"threads must be at most {_MOST_THREADS}, received {threads}")
        self._settings: dict[str, Any] = {"engine": engine, "strategy": strategy, "threads": threads}
        self._make_database = partial(make_database, engine, dim, strategy)
        self._engine, self._database = self._make_database()
        self._may_move = engine == "auto" and strategy == "auto"  # to devices, tried once
        self._by_class: ClassSearch | None = None  # made when it is first asked for
        self._threads = threads
        self._changes = ForkAwareLock()
        self._labels: NDArray[Any] | None = None
        self._ids: NDArray[np.int64] | None = None  # None while every id is its row's position
        self._next_id = 0

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        labels: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        *,
        engine: Engine = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Build an index of codes; the parameters are those of the class and of `add`."""
        rows = as_rows(device_arrays.on_host(codes, engine), "codes")
        index = cls(rows.shape[1], engine=engine, strategy=strategy, threads=threads)
        index.add(rows, labels=labels, ids=ids)
        return index

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self._database.dim

    @property
    def engine(self) -> str:
        """The engine that runs the searches."""
        return self._engine

    @property
    def exact(self) -> bool:
        """Whether the answers keep the exactness contract."""
        return self._engine in ("cpu", "cuda")

    @property
    def strategy(self) -> str:
        """The screening strategy in use; "auto" as long as there are no codes to choose it by."""
        return self._database.strategy

    def explain(self) -> Explanation:
        """Say how the index searches, why, and what its searches took so far.

        Returns
        -------
        Explanation
            The strategy, what it was chosen from and the rows scored exactly a query; print it to read it.
        """
        found = self._database.explain()
        queries, screened, scored = found["queries"], found["screened_rows"], found["scored_rows"]
        finer = found["finer_rows"]
        considered = (Consideration(*each) for each in found["considered"])
        return Explanation(
            engine=self.engine,
            strategy=found["strategy"],
            arithmetic=found["arithmetic"],
            isa=self.isa,
            rows=found["rows"],
            dim=self.dim,
            screened_dims=found["screened_dims"],
            unscreened_rows=found["unscreened_rows"],
            considered=tuple(sorted(considered, key=lambda each: each.cost)),
            queries=queries,
            screened_per_query=screened / queries if queries and screened is not None else None,
            finer_per_query=finer / queries if queries and finer is not None else None,
            candidates_per_query=scored / queries if queries and scored is not None else None,
            placement=found.get("placement", ""),
            repeats=found.get("repeats", ""),
        )

    @property
    def isa(self) -> str:
        """The instruction set whose kernels are in use."""
        return self._database.isa

    @property
    def codes(self) -> NDArray[np.float32]:
        """A copy of the codes, shape (n, d), float32, in order of insertion."""
        return self._database.rows()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, shape (n,), int64, in order of insertion."""
        return np.arange(len(self), dtype=np.int64) if self._ids is None else self._ids.copy()

    @property
    def labels(self) -> NDArray[Any] | None:
        """The labels, shape (n,), in order of insertion, or None."""
        return None if self._labels is None else self._labels.copy()

    @property
    def classes(self) -> NDArray[Any]:
        """The distinct labels, sorted; ValueError where the index has no labels."""
        if self._labels is None:
            raise ValueError("the index has no labels; pass labels= with the codes")
        return np.unique(self._labels)

    def __reduce__(self) -> tuple[Any, ...]:
        """Give pickle and copy what an index is made from: a copy is an index of its own."""
        with self._changes:
            contents = (self.codes, self._labels, self._ids, self._next_id)
        return _restored, (type(self), self.dim, self._settings, *contents)

    def __len__(self) -> int:
        return len(self._database)

    def __repr__(self) -> str:
        labels = "" if self._labels is None else ", labelled"
        return (
            f"CosineIndex({len(self)} codes of dimension {self.dim}{labels}, engine={self.engine!r}, "
            f"strategy={self.strategy!r}, isa={self.isa!r})"
        )

    def add(self, codes: ArrayLike, labels: ArrayLike | None = None, ids: ArrayLike | None = None) -> None:
        """Append codes, all of them or, where anything is wrong, none.

        Parameters
        ----------
        codes : array-like of shape (n, d)
            Rounded once to float32 and copied. The engine "cuda" also takes arrays that are on a device.
        labels : array-like of shape (n,), optional
            One label a code, a number or a string; needed where the index has labels already, refused where
            it has codes without. Strings are kept as NumPy's strings of fixed width.
        ids : array-like of shape (n,), integers, optional
            Distinct, and not in the index yet; by default the number of codes ever added before each.

        Raises
        ------
        TypeError
            For codes that are not real numbers, ids that are not integers, or numbers among labels that are
            strings.
        ValueError
            For NaN, infinity, a value that becomes infinite or a row that becomes zero in float32 (the
            first bad row is named), masked values, duplicate ids, missing labels, labels that no type holds
            together with those of the index, or a wrong shape.
        """
        rows = self._host_rows(codes, "codes")
        with self._changes:
            new_labels = self._joined_labels(labels, len(rows))
            new_ids = self._joined_ids(ids, len(rows))
            if len(rows) == 0:
                return
            appended = None if new_ids is None else new_ids[len(self) :]
            before = len(self)
            try:
                self._database.add(rows, appended, self._thread_count())
            finally:
                # Ctrl-C may be raised when the codes are in already: then the rest must follow them.
                if len(self) != before:
                    self._labels, self._ids, self._by_class = new_labels, new_ids, None
                    self._next_id += len(rows)
            if self._may_move and len(self) * self.dim >= automatic.WORTH_DEVICES:
                self._move_to_devices()

    def remove(self, ids: ArrayLike) -> None:
        """Remove the codes with these ids; the others keep their ids and their order.

        Parameters
        ----------
        ids : array-like of shape (n,), integers

        Raises
        ------
        ValueError
            For an id that is not in the index; nothing is removed then.
        """
        with self._changes:
            unwanted = as_int64(ids, "ids", np.size(ids))
            own = self.ids
            unknown = unwanted[~np.isin(unwanted, own)]
            if len(unknown) > 0:
                raise ValueError(f"id {unknown[0]} is not in the index; nothing was removed")
            if len(unwanted) == 0:
                return
            kept = ~np.isin(own, unwanted)
            kept_ids = own[kept]
            kept_labels = self._labels[kept] if self._labels is not None and kept.any() else None
            try:
                self._database.keep(kept.view(np.uint8), self._thread_count())
            finally:
                if len(self) != len(own):
                    self._ids, self._labels, self._by_class = kept_ids, kept_labels, None

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        allowed: ArrayLike | None = None,
        scores64: bool = False,
        on_device: bool = False,
    ) -> SearchResult:
        """Find each query's k most cosine-similar codes.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            Rounded once to float32. The engine "cuda" reads arrays that are on a device where they are if
            they are of float32 and in C order, and by way of the host if not; they must not change meanwhile.
        k : int
            Neighbours a query, from 1 to the number of (allowed) codes.
        allowed : array-like of shape (n,), bool, optional
            Search only the codes whose flag is true.
        scores64 : bool
            Whether to return the float64 similarities too.
        on_device : bool
            Whether to return the answers in a device's memory: the queries', or else that of the engine's
            first device. For the engine "cuda".

        Returns
        -------
        SearchResult
            Similarities and ids of shape (M, k).

        Raises
        ------
        TypeError
            For queries that are not real numbers, or on a device while the engine is not; for a mask that is
            not boolean.
        ValueError
            For a wrong shape or k, or a query with NaN or infinity (the first bad row is named); for
            `on_device` without a device.

        Notes
        -----
        The cost is that of one product of the two matrices, at most; see benchmarks/README.md.
        """
        cuda = self._database if isinstance(self._database, CudaDatabase) else None
        if on_device and cuda is None:
            raise ValueError(f"on_device=True needs engine='cuda', and the index has engine={self._engine!r}")
        device = None
        rows: Any
        if cuda is not None and is_on_device(queries):
            rows, device = device_arrays.as_device_rows(cuda.device_array(queries), "queries", self.dim)
        else:
            rows = self._host_rows(queries, "queries")
        flags = None if allowed is None else as_flags(allowed, "allowed", len(self))
        available = len(self) if flags is None else int(np.count_nonzero(flags))
        k = _neighbours(k, available, _IN_INDEX if flags is None else "allowed codes")
        answer = self._database.search(rows, k, flags, self._thread_count(), scores64)
        if cuda is not None and on_device:
            answer = cuda.on_device(answer, device)
        return self._result(answer)

    def search_self(self, k: int = 10, *, scores64: bool = False) -> SearchResult:
        """Find the k nearest other codes of every code in the index.

        Parameters
        ----------
        k : int
            Neighbours a code, from 1 to the number of codes less one. A code is left out of its own
            neighbours by its position, so an equal code elsewhere is found.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (n, k), in order of insertion.

        Raises
        ------
        ValueError
            For a k out of range.
        """
        k = _neighbours(k, len(self) - 1, "other codes in the index")
        return self._result(self._database.search_self(k, self._thread_count(), scores64))

    def search_per_class(self, queries: ArrayLike, k: int = 1, *, scores64: bool = False) -> SearchResult:
        """Find each query's k most cosine-similar codes of every class.

        Parameters
        ----------
        queries : array-like of shape (M, d), or (C, M, d)
            Rounded once to float32. In three dimensions, what is looked for in each class, in the order of
            `classes`: a conditional model encodes a query in another way for every class.
        k : int
            Neighbours a query and class, from 1 to the number of codes of the smallest class.
        scores64 : bool
            Whether to return the float64 similarities too.

        Returns
        -------
        SearchResult
            Similarities and ids of shape (C, M, k).

        Raises
        ------
        TypeError
            For queries that are not real numbers.
        ValueError
            For an index without labels, a wrong shape or k, or a query with NaN or infinity (the first bad
            row is named).

        Notes
        -----
        The first call makes a database of every class, which takes about as long and as much memory as the
        index itself did; it is kept until codes are added or removed.
        """
        with self._changes:
            if self._by_class is None:
                if self._labels is None:
                    raise ValueError("the index has no labels; pass labels= with the codes")
                self._by_class = ClassSearch(
                    self.codes, self.ids, self._labels, self._another_database, self._thread_count()
                )
            by_class = self._by_class
        queries = device_arrays.on_host(queries, self._engine)
        names = by_class.classes.tolist()
        smallest = int(by_class.counts.argmin())
        k = _neighbours(
            k, int(by_class.counts[smallest]), f"codes of class {names[smallest]!r}, the smallest"
        )
        if np.ndim(queries) == 3:
            per_class = [
                as_rows(rows, f"queries of class {label!r}", self.dim)
                for label, rows in zip(names, _of_classes(queries, by_class), strict=True)
            ]
        else:
            per_class = [as_rows(queries, "queries", self.dim)] * len(by_class.classes)
        return self._result(by_class.search(per_class, k, self._thread_count(), scores64))

    def recall(self, queries: ArrayLike, k: int = 10) -> float:
        """Return which share of the queries' exact k nearest codes a search finds; 1 for an exact engine.

        Parameters
        ----------
        queries : array-like of shape (M, d)
            At least one.
        k : int
            Neighbours a query, from 1 to the number of codes.

        Returns
        -------
        float
            From 0 to 1. A code as similar as the exact k-th counts as found.

        Raises
        ------
        TypeError, ValueError
            As `search`, or if there are no queries.
        """
        rows = self._host_rows(queries, "queries")
        if len(rows) == 0:
            raise ValueError("received no queries to measure the recall with")
        k = _neighbours(k, len(self), _IN_INDEX)
        found = self.search(rows, k).positions
        exact = _core.Database(self.dim, "auto")
        exact.add(self.codes, None, self._thread_count())
        *_, wanted = exact.search(rows, k, None, self._thread_count(), True)
        *_, scores = exact.score(rows, found, k, self._thread_count())
        assert wanted is not None
        assert scores is not None
        return float(np.mean(scores >= wanted[:, -1:]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one safetensors file, atomically: codes, ids and labels, no pickle.

        Raises
        ------
        TypeError
            For labels that are neither numbers nor strings.
        """
        with self._changes:
            write_index(path, self.codes, self._labels, self._ids, self._next_id)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        engine: Engine = "auto",
        strategy: str = "auto",
        threads: int | None = None,
    ) -> Self:
        """Read an index that `save` wrote; it gives the same answers to the bit, if its engine is exact.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ValueError
            For a file that is damaged or is not an index of latentknn.
        """
        stored = read_index(path)
        index = cls(stored.codes.shape[1], engine=engine, strategy=strategy, threads=threads)
        try:
            index.add(stored.codes, labels=stored.labels, ids=stored.ids)
        except FaissRequestError:
            raise
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r} is not a readable index file: {error}") from error
        index._next_id = stored.next_id
        return index

    def _host_rows(self, values: ArrayLike, name: str) -> NDArray[Any]:
        return as_rows(device_arrays.on_host(values, self._engine), name, self.dim)

    def _move_to_devices(self) -> None:
        moved = automatic.on_devices(self._database, self._ids, self._thread_count())
        self._may_move = False
        if moved is not None:
            self._engine, self._database = "cuda", moved

    def _another_database(self) -> Database:
        return self._make_database()[1]

    def _thread_count(self) -> int:
        return _core.usable_processors() if self._threads is None else self._threads

    def _joined_labels(self, labels: ArrayLike | None, count: int) -> NDArray[Any] | None:
        if labels is None:
            if self._labels is not None and count > 0:
                raise ValueError("the index has labels, so new codes need labels= too")
            return self._labels
        array = as_labels(labels, count)
        if count == 0:
            return self._labels
        if self._labels is None:
            if len(self) > 0:
                raise ValueError("the codes in the index have no labels, so new ones cannot have any")
            return array
        return join_labels(self._labels, array)

    def _joined_ids(self, ids: ArrayLike | None, count: int) -> NDArray[np.int64] | None:
        if ids is None and self._ids is None:
            return None
        if ids is None:
            new = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        else:
            new = as_int64(ids, "ids", count)
        joined = np.concatenate([self.ids, new])
        distinct, counts = np.unique(joined, return_counts=True)
        if len(distinct) < len(joined):
            raise ValueError(f"id {distinct[counts > 1][0]} occurs twice; ids must be distinct")
        return joined

    def _result(
        self,
        answer: Answer,
    ) -> SearchResult:
        similarities, positions, ids, scores64 = answer
        return SearchResult(similarities, ids, positions, scores64)


def cosine_search(
    codes: ArrayLike, queries: ArrayLike, k: int = 10, *, threads: int | None = None
) -> SearchResult:
    """Find each query's k most cosine-similar codes, without keeping an index; on the processor.

    Parameters
    ----------
    codes : array-like of shape (n, d)
    queries : array-like of shape (M, d)
    k : int
        Neighbours a query, from 1 to n.
    threads : int, optional
        Threads to use; by default all the processors that this process may use.

    Returns
    -------
    SearchResult
        Similarities and ids of shape (M, k); the ids are row numbers of `codes`.

    Raises
    ------
    TypeError, ValueError
        As `CosineIndex.add` and `CosineIndex.search` do.
    """
    return CosineIndex.from_codes(codes, engine="cpu", threads=threads).search(queries, k)


def _restored(
    kind: type[CosineIndex],
    dim: int,
    settings: dict[str, Any],
    codes: NDArray[np.float32],
    labels: NDArray[Any] | None,
    ids: NDArray[np.int64] | None,
    next_id: int,
) -> CosineIndex:
    index = kind(dim, **settings)
    index.add(codes, labels, ids)
    index._next_id = next_id
    return index


def _of_classes(queries: ArrayLike, by_class: ClassSearch) -> NDArray[Any]:
    array = as_array(queries, "queries")
    if len(array) != len(by_class.classes):
        raise ValueError(
            f"queries of shape {array.shape} hold {len(array)} encodings of each, expected one for each of "
            f"the {len(by_class.classes)} classes"
        )
    return array


def _positive(value: int, name: str) -> int:
    number = _integer(value, name)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, received {number}")
    return number


def _neighbours(k: int, available: int, of_what: str) -> int:
    number = _integer(k, "k")
    if available < 1:
        empty = "the index is empty" if of_what == _IN_INDEX else f"there are no {of_what}"
        raise ValueError(f"{empty}, so that there are no neighbours to find; received k = {number}")
    if not 1 <= number <= available:
        raise ValueError(f"k must be from 1 to {available}, the number of {of_what}, received {number}")
    return number


def _integer(value: int, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, received {value!r}")
    return int(value)
