"""Files and tables whose codes are read a batch at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BATCH_BYTES = 8 << 20
"""Bytes of a batch's codes in float32."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table, or of the data sets of an HDF5 file; None for what is not read."""

    codes: str = "codes"
    labels: str | None = None
    ids: str | None = None
    metadata: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Return the names that are read, each once."""
        wanted = (self.codes, self.labels, self.ids, *self.metadata)
        return list(dict.fromkeys(name for name in wanted if name is not None))


@dataclass(frozen=True, eq=False)
class Batch:
    """Codes, labels, ids and metadata of a few rows, as `Writer.add` takes them."""

    codes: Any
    labels: Any = None
    ids: Any = None
    metadata: Any = None


def holds_codes_alone(path: str | os.PathLike[str]) -> bool:
    """Say whether a file has, by the ending of its name, no columns beside the codes."""
    return Path(path).suffix in (".npy", ".fvecs")


Reader = Callable[[Path, Columns, int, int], Iterator[Batch]]


def batches_of(source: Any, columns: Columns, dim: int) -> Iterator[Batch]:
    """Return the batches of a file, by the ending of its name, or of a table.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ImportError
        Where the library that reads it is missing.
    TypeError, ValueError
        For what is no file or table of codes, or has no column of a name.
    """
    at_once = max(1, _BATCH_BYTES // (4 * dim))
    if hasattr(source, "__arrow_c_stream__"):
        return _table_batches(source, columns, at_once)
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"extend reads a file or a table of Arrow, received a {type(source).__name__}; pass arrays to "
            "add()"
        )
    path = Path(source)
    if path.suffix not in _READERS:
        raise ValueError(f"{path.name!r} ends in none of {', '.join(_READERS)}; pass its arrays to add()")
    return _READERS[path.suffix](path, columns, dim, at_once)


def _npy(path: Path, columns: Columns, dim: int, at_once: int) -> Iterator[Batch]:
    _refuse_names(path, columns)
    # A mapping would end the process where another one cuts the file short.
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        if version[0] not in read_header:
            raise ValueError(f"{path.name!r} has version {version} of the format .npy, which is not read")
        shape, by_columns, dtype = read_header[version[0]](file)
        if len(shape) != 2 or by_columns or dtype.hasobject:
            order = "Fortran" if by_columns else "C"
            raise ValueError(
                f"{path.name!r} must hold a matrix of numbers in C order, and holds {dtype} of shape {shape} "
                f"in {order} order"
            )
        for begin in range(0, shape[0], at_once):
            yield Batch(_read(file, path, min(at_once, shape[0] - begin), shape[1], dtype))


def _fvecs(path: Path, columns: Columns, dim: int, at_once: int) -> Iterator[Batch]:
    _refuse_names(path, columns)
    # Source: the data sets of http://corpus-texmex.irisa.fr: before each vector stands its dimension.
    size = path.stat().st_size
    if size % (4 * (dim + 1)) != 0:
        raise ValueError(f"{path.name!r} has {size} bytes, which is no number of vectors of {dim} dimensions")
    count = size // (4 * (dim + 1))
    with path.open("rb") as file:
        for begin in range(0, count, at_once):
            rows = _read(file, path, min(at_once, count - begin), dim + 1, np.dtype("<f4"))
            wrong = rows[:, 0].view("<i4") != dim
            if wrong.any():
                row = int(wrong.argmax())
                found = rows[row, 0].view("<i4")
                raise ValueError(f"vector {begin + row} of {path.name!r} has {found} dimensions, not {dim}")
            yield Batch(rows[:, 1:])


def _parquet(path: Path, columns: Columns, dim: int, at_once: int) -> Iterator[Batch]:
    _import("pyarrow", "tables")
    from pyarrow import parquet

    # Reading ahead would hold all of the file that has been read.
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        _check_names(path.name, columns, file.schema_arrow.names)
        for batch in file.iter_batches(at_once, columns=columns.names(), use_threads=False):
            yield _of_record_batch(batch, columns)


def _arrow(path: Path, columns: Columns, dim: int, at_once: int) -> Iterator[Batch]:
    arrow = _import("pyarrow", "tables")
    with arrow.OSFile(os.fspath(path)) as file:
        reader = arrow.ipc.open_file(file)
        _check_names(path.name, columns, reader.schema.names)
        for number in range(reader.num_record_batches):
            yield from _cut(reader.get_batch(number), columns, at_once)


def _hdf5(path: Path, columns: Columns, dim: int, at_once: int) -> Iterator[Batch]:
    if columns.metadata:
        raise ValueError(f"metadata are read from tables, and {path.name!r} is none; give them to add()")
    h5py = _import("h5py", "hdf5")
    with h5py.File(path, "r") as file:
        _check_names(path.name, columns, list(file))
        sets = {
            name: file[name].asstr() if h5py.check_string_dtype(file[name].dtype) else file[name]
            for name in columns.names()
        }
        count = len(sets[columns.codes])
        for name, each in sets.items():
            if len(each) != count:
                raise ValueError(
                    f"{name!r} of {path.name!r} has {len(each)} rows, and {columns.codes!r} has {count}"
                )
        for begin in range(0, count, at_once):
            part = slice(begin, begin + at_once)
            yield Batch(
                sets[columns.codes][part],
                None if columns.labels is None else sets[columns.labels][part],
                None if columns.ids is None else sets[columns.ids][part],
            )


_READERS: dict[str, Reader] = {
    ".npy": _npy,
    ".fvecs": _fvecs,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}


def _table_batches(table: Any, columns: Columns, at_once: int) -> Iterator[Batch]:
    arrow = _import("pyarrow", "tables")
    reader = arrow.RecordBatchReader.from_stream(table)
    _check_names(f"the {type(table).__name__}", columns, reader.schema.names)
    for batch in reader:
        yield from _cut(batch, columns, at_once)


def _cut(batch: Any, columns: Columns, at_once: int) -> Iterator[Batch]:
    for begin in range(0, batch.num_rows, at_once):
        yield _of_record_batch(batch.slice(begin, at_once), columns)


def _of_record_batch(batch: Any, columns: Columns) -> Batch:
    def column(name: str | None) -> Any:
        return None if name is None else batch.column(name)

    labels = column(columns.labels)
    if labels is not None:
        # Categories become what they stand for.
        labels = labels.dictionary_decode() if hasattr(labels, "dictionary_decode") else labels
        labels = labels.to_numpy(zero_copy_only=False)
    metadata = {name: batch.column(name) for name in columns.metadata} or None
    return Batch(_matrix(column(columns.codes)), labels, column(columns.ids), metadata)


def _matrix(column: Any) -> Any:
    """Return a column of lists as a matrix; where a list is missing, as lists, which are refused by row."""
    size = getattr(column.type, "list_size", None)
    if size is not None and column.null_count == 0:
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), size)
    return column.to_numpy(zero_copy_only=False)


def _read(file: Any, path: Path, rows: int, width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    data = file.read(rows * width * dtype.itemsize)
    if len(data) < rows * width * dtype.itemsize:
        raise ValueError(f"{path.name!r} ends early, at byte {file.tell()}")
    return np.frombuffer(data, dtype).reshape(rows, width)


def _refuse_names(path: Path, columns: Columns) -> None:
    if columns != Columns():
        raise ValueError(f"{path.name!r} holds codes alone; give labels and ids with its array to add()")


def _check_names(source: str, columns: Columns, present: list[str]) -> None:
    for name in columns.names():
        if name not in present:
            raise ValueError(f"there is no {name!r} in {source}, which has {', '.join(map(repr, present))}")


def _import(name: str, extra: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"reading this needs {name}: pip install 'latentknn[{extra}]'") from error
