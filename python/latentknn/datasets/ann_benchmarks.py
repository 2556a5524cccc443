"""Files of ann-benchmarks: codes, queries and the true neighbours of the queries, in HDF5."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.notebook.one_line import one_line

# Source: knn_threshold in ann_benchmarks/plotting/metrics.py of https://github.com/erikbern/ann-benchmarks.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SearchProblem:
    """Codes, queries, and what a search must find.

    Parameters
    ----------
    codes : ndarray of shape (N, d)
        What is searched.
    queries : ndarray of shape (M, d)
        What is searched for.
    neighbours : ndarray of shape (M, K), int64
        Positions of the true neighbours of each query, nearest first.
    distances : ndarray of shape (M, K), float64
        Their distances.
    metric : str
        How the distances are measured: "angular" is 1 minus the cosine similarity; latentknn knows no other.

    Examples
    --------
    >>> import numpy as np
    >>> import latentknn as lk
    >>> codes, queries = np.eye(2), np.array([[2.0, 1.0]])
    >>> found = lk.cosine_search(codes, queries, k=2)
    >>> problem = lk.datasets.SearchProblem(codes, queries, found.ids, 1.0 - found.similarities, "angular")
    >>> problem.recall(found.ids)
    1.0
    """

    codes: NDArray[Any]
    queries: NDArray[Any]
    neighbours: NDArray[np.int64]
    distances: NDArray[np.float64]
    metric: str

    __repr__ = one_line

    def recall(self, ids: ArrayLike) -> float:
        """Return the share of the true neighbours that a search has found, as ann-benchmarks counts it.

        A neighbour counts if its distance is at most 0.001 above that of the last true one, so that ties and
        rounding count as found. The distances are computed here, in float64.

        Parameters
        ----------
        ids : array-like of shape (M, k), integers
            Positions that were found for each query, k of them at most K; negative ones stand for nothing.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the shape does not fit, a position is not one of a code, or the metric is not "angular".

        Examples
        --------
        >>> import numpy as np
        >>> from latentknn.datasets import SearchProblem
        >>> codes = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> problem = SearchProblem(codes, codes[:1], np.array([[0, 2]]), np.array([[0.0, 0.293]]), "angular")
        >>> problem.recall([[0, 2]]), problem.recall([[0, 1]])
        (1.0, 0.5)
        """
        found = np.asarray(ids)
        if self.metric != "angular":
            raise ValueError(
                f"recall is computed for the metric 'angular', and this problem has {self.metric!r}"
            )
        count, most = self.distances.shape
        if found.ndim != 2 or len(found) != count or not 1 <= found.shape[1] <= most:
            raise ValueError(
                f"ids must have shape ({count}, k) with k from 1 to {most}, received {found.shape}"
            )
        if not np.issubdtype(found.dtype, np.integer) or (found.size and found.max() >= len(self.codes)):
            raise ValueError(
                f"ids must be positions of the {len(self.codes)} codes, received {found.dtype} up to "
                f"{found.max()}"
            )
        right = 0
        for query, row, distances in zip(self.queries, found, self.distances, strict=True):
            near = row[row >= 0]
            limit = distances[found.shape[1] - 1] + _TOLERANCE
            right += int((_angular(query, self.codes[near]) <= limit).sum())
        return right / found.size


def from_ann_benchmarks(path: str | PathLike[str]) -> SearchProblem:
    """Read a file of ann-benchmarks, such as ``glove-100-angular.hdf5``.

    Parameters
    ----------
    path : path-like
        The file, of dense vectors of numbers; all of it is read into memory.

    Returns
    -------
    SearchProblem
        Its codes are the file's ``train``, its queries ``test``.

    Raises
    ------
    DatasetNotFoundError
        If there is no such file.
    DatasetCorruptError
        If it is no HDF5, an array is missing, or the arrays do not fit each other; the message says which.
    ImportError
        Without h5py, which the extra ``hdf5`` installs.

    Notes
    -----
    The format is described at https://github.com/erikbern/ann-benchmarks#data-sets.

    Examples
    --------
    >>> import os, tempfile
    >>> import h5py
    >>> import numpy as np
    >>> import latentknn as lk
    >>> from latentknn.datasets import from_ann_benchmarks
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tiny-2-angular.hdf5")
    ...     with h5py.File(path, "w") as file:
    ...         file.attrs["distance"] = "angular"
    ...         file["train"], file["test"] = np.eye(2, dtype=np.float32), np.float32([[2, 1]])
    ...         file["neighbors"], file["distances"] = [[0, 1]], [[0.106, 0.553]]
    ...     problem = from_ann_benchmarks(path)
    >>> problem.recall(lk.cosine_search(problem.codes, problem.queries, k=2).ids)
    1.0
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("reading HDF5 needs h5py: pip install 'latentknn[hdf5]'") from error
    path = Path(path)
    if not path.is_file():
        raise DatasetNotFoundError(f"there is no file {path}")
    try:
        with h5py.File(path, "r") as file:
            arrays = {name: _array(file, name, path) for name in ("train", "test", "neighbors", "distances")}
            metric = str(file.attrs.get("distance", ""))
    except OSError as error:
        raise DatasetCorruptError(f"{path.name} cannot be read as HDF5: {error}") from error
    codes, queries, neighbours, distances = arrays.values()
    shapes = {name: array.shape for name, array in arrays.items()}
    if (
        any(array.ndim != 2 for array in arrays.values())
        or codes.shape[1] != queries.shape[1]
        or neighbours.shape != distances.shape
        or len(neighbours) != len(queries)
    ):
        raise DatasetCorruptError(
            f"the arrays of {path.name} do not fit each other: their shapes are {shapes}"
        )
    if not metric:
        raise DatasetCorruptError(
            f"{path.name} does not say how distances are measured: it has no attribute 'distance'"
        )
    if neighbours.size and not 0 <= neighbours.min() <= neighbours.max() < len(codes):
        raise DatasetCorruptError(
            f"neighbors of {path.name} are not positions of its {len(codes)} rows in train"
        )
    return SearchProblem(codes, queries, neighbours.astype(np.int64), distances.astype(np.float64), metric)


def _array(file: Any, name: str, path: Path) -> NDArray[Any]:
    if name not in file or not hasattr(file[name], "dtype"):
        raise DatasetCorruptError(
            f"{path.name} has no array {name!r}, but {', '.join(map(repr, file)) or 'nothing'}"
        )
    array = file[name][()]
    if not isinstance(array, np.ndarray) or not (
        np.issubdtype(array.dtype, np.number) or array.dtype == bool
    ):
        raise DatasetCorruptError(f"{name!r} of {path.name} is no array of numbers")
    return array


def _angular(query: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.float64]:
    a, b = query.astype(np.float64), codes.astype(np.float64)
    norms = np.linalg.norm(b, axis=1) * np.linalg.norm(a)
    similarities: NDArray[np.float64] = np.divide(b @ a, norms, out=np.zeros(len(b)), where=norms > 0)
    return 1 - similarities
