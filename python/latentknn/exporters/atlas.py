"""Files for Embedding Atlas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.atomic_file import atomic_file
from latentknn.exporters.code_table import CodeTable
from latentknn.index import CosineIndex

_NEIGHBOURS = 10


def write_atlas(
    table: CodeTable,
    path: str | os.PathLike[str],
    *,
    k: int | None = None,
    places: ArrayLike | None = None,
    threads: int | None = None,
) -> None:
    """Write a Parquet file for Embedding Atlas, with the exact nearest neighbours of every code.

    ``embedding-atlas FILE --vector vector --neighbors neighbors`` shows it; with `places` it is
    ``embedding-atlas FILE --x projection_x --y projection_y --neighbors neighbors``, which projects nothing.

    Parameters
    ----------
    table : CodeTable
        At least two codes, and their columns. A column has values of one type, or None.
    path : path
        The Parquet file. Beside the columns it has ``vector``, the codes, and ``neighbors``: of each row,
        ``ids``, the rows of its neighbours in this file, and ``distances``, 1 less their cosine similarities.
    k : int, optional
        Neighbours of a row, itself left out; by default ten, or fewer if there are fewer others.
    places : array-like of shape (n, 2), optional
        Places of the codes in the plane, for the columns ``projection_x`` and ``projection_y``.
    threads : int, optional
        Threads of the search; by default every processor that the process may use.

    Raises
    ------
    ModuleNotFoundError
        Without pyarrow; the message names the extra to install.
    ValueError
        If `k` or the shape of `places` is wrong, or a column has a name that is needed.
    OSError
        If the file cannot be written.

    References
    ----------
    Embedding Atlas, "Command Line Utility", https://apple.github.io/embedding-atlas/tool.html

    Examples
    --------
    >>> import os, tempfile
    >>> import latentknn as lk
    >>> codes, labels = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ["east", "east", "north"]
    >>> evaluation = lk.evaluation.evaluate(codes, labels)
    >>> table = lk.exporters.CodeTable.of(evaluation, codes, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "atlas.parquet")
    ...     lk.exporters.write_atlas(table, path)
    ...     os.path.getsize(path) > 0
    True
    """
    pyarrow, parquet = _pyarrow()
    added: dict[str, Any] = {"vector": _lists(pyarrow, table.codes)}
    if places is not None:
        placed = np.asarray(places, np.float64)
        if placed.shape != (len(table.codes), 2):
            raise ValueError(f"places must have shape ({len(table.codes)}, 2), received {placed.shape}")
        added |= {"projection_x": placed[:, 0], "projection_y": placed[:, 1]}
    index = CosineIndex.from_codes(table.codes, threads=threads)
    found = index.search_self(min(_NEIGHBOURS, len(index) - 1) if k is None else k, scores64=True)
    added["neighbors"] = pyarrow.StructArray.from_arrays(
        [_lists(pyarrow, found.positions), _lists(pyarrow, 1 - found.scores)], ["ids", "distances"]
    )
    taken = added.keys() & table.columns.keys()
    if taken:
        raise ValueError(f"Embedding Atlas needs columns of these names: {', '.join(sorted(taken))}")
    columns = {name: list(column) for name, column in table.columns.items()}
    with atomic_file(Path(path)) as unfinished:
        parquet.write_table(pyarrow.table(columns | added), unfinished)


def _lists(pyarrow: Any, matrix: NDArray[Any]) -> Any:
    """Return the rows of a matrix as an array of lists."""
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(matrix.ravel()), matrix.shape[1])


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ModuleNotFoundError(
            f'Parquet files need pyarrow ({error}); install it with: pip install "latentknn[tables]"'
        ) from error
    return pyarrow, parquet
