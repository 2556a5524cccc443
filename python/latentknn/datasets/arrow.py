"""Columns of tables, all of which become Arrow's first."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.pictures import Picture
from latentknn.labels import as_labels

_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class Table:
    """A table of Arrow's, and what else is known of it.

    Parameters
    ----------
    data : pyarrow.Table
        The table.
    origin : str
        Name of the table for messages.
    folder : Path
        The folder to which paths of pictures are relative.
    class_names : dict of str to list of str
        For columns whose numbers stand for classes: the names.
    """

    data: Any
    origin: str
    folder: Path
    class_names: dict[str, list[str]]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.data.column_names)

    def column(self, name: str) -> Any:
        """Return a column in one piece.

        Raises
        ------
        ValueError
            If there is none of that name, or a value is missing; the message names the row.
        """
        if name not in self.columns:
            raise ValueError(f"{self.origin} has no column {name!r}; it has {', '.join(self.columns)}")
        column = self.data.column(name).combine_chunks()
        if column.null_count > 0:
            row = column.is_null().to_numpy(zero_copy_only=False).argmax()
            raise ValueError(f"row {row} of column {name!r} of {self.origin} is missing")
        return column


def read_table(source: Any, what: str) -> Table:
    """Return a table of a file, of Arrow, of a data frame, or of Hugging Face's datasets.

    Raises
    ------
    DatasetNotFoundError, DatasetCorruptError
        If a file is not there, or cannot be read.
    TypeError
        If `source` is no table.
    ModuleNotFoundError
        If pyarrow is not installed.
    """
    pa = _pyarrow()
    if isinstance(source, str | PathLike):
        path = Path(source)
        return Table(_read_file(path), str(path), path.parent, {})
    if hasattr(source, "with_format") and hasattr(source, "features"):
        names = {name: kind.names for name, kind in source.features.items() if hasattr(kind, "names")}
        return Table(source.with_format("arrow")[:], what, Path(), names)
    try:
        return Table(pa.table(source), what, Path(), {})
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{what} is a {type(source).__name__}, which Arrow cannot read as a table ({error}); pass a "
            "file, an Arrow table, a data frame, or a data set of Hugging Face"
        ) from error


def read_labels(table: Table, name: str) -> NDArray[Any]:
    """Return a column of labels; numbers that stand for class names become these names.

    Raises
    ------
    TypeError, ValueError
        If there is no such column, or a label is missing or cannot be sorted.
    """
    labels = as_labels(table.column(name).to_pylist(), len(table.data))
    names = table.class_names.get(name)
    if names is None:
        return labels
    unknown = (labels < 0) | (labels >= len(names))
    if unknown.any():
        row = int(unknown.argmax())
        raise ValueError(
            f"row {row} of column {name!r} of {table.origin} is {labels[row]}, which names no class"
        )
    named: NDArray[Any] = np.array(names)[labels]
    return named


def read_items(table: Table, name: str) -> NDArray[Any] | list[Picture]:
    """Return a column of codes, texts or images as an array, and of encoded pictures as pictures.

    Raises
    ------
    ValueError
        If there is no such column, a value is missing, lists have different lengths, or values are of a kind
        that no item has.
    """
    pa = _pyarrow()
    column, kind = table.column(name), table.data.schema.field(name).type
    where = f"column {name!r} of {table.origin}"
    if pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
        values = column.to_pylist()
        return [
            _picture(
                table, value["path"] if value["bytes"] is None else value["bytes"], f"row {row} of {where}"
            )
            for row, value in enumerate(values)
        ]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [
            _picture(table, value, f"row {row} of {where}") for row, value in enumerate(column.to_pylist())
        ]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view":
        texts = column.to_pylist()
        if texts and all(text.lower().endswith(_PICTURES) for text in texts):
            return [_picture(table, text, str(table.folder / text)) for text in texts]
        return np.array(texts, np.str_)
    return _numbers(column, where)


def _picture(table: Table, content: bytes | str | None, origin: str) -> Picture:
    if content is None:
        raise ValueError(f"{origin} has neither the bytes nor the path of a picture")
    return Picture(content if isinstance(content, bytes) else table.folder / content, origin)


def _numbers(column: Any, where: str) -> NDArray[Any]:
    """Return numbers, lists of numbers, or lists of lists of them, as an array with an axis for each list."""
    pa = _pyarrow()
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if hasattr(column, "to_numpy_ndarray"):
            return np.asarray(column.to_numpy_ndarray())
        column, kind = column.storage, column.type.storage_type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        array = np.asarray(column.to_numpy(zero_copy_only=False))
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"{where} holds {kind}, expected numbers, lists of them, texts or encoded pictures"
            )
        return array
    if pa.types.is_fixed_size_list(kind):
        lengths = np.full(len(column), kind.list_size)
    else:
        lengths = np.diff(column.offsets.to_numpy())
    if len(lengths) > 0 and (lengths != lengths[0]).any():
        row = int((lengths != lengths[0]).argmax())
        raise ValueError(
            f"lists of {where} must be of equal length: the first has {lengths[0]}, that of row {row} has "
            f"{lengths[row]}"
        )
    values = column.flatten()
    if values.null_count > 0:
        place = int(values.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ValueError(f"row {place // int(lengths[0])} of {where} has a missing number")
    inner = _numbers(values, where)
    return inner.reshape(len(column), int(lengths[0]) if len(lengths) else 0, *inner.shape[1:])


def _read_file(path: Path) -> Any:
    pa = _pyarrow()
    if not path.is_file():
        raise DatasetNotFoundError(f"{path} is no file; give a Parquet, Feather or Arrow file")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pa.parquet.read_table(path)
        with pa.memory_map(str(path)) as file:
            # Arrow's files end with the mark that they begin with; its streams have none.
            if file.read(6) == b"ARROW1":
                return pa.ipc.open_file(file).read_all()
            file.seek(0)
            return pa.ipc.open_stream(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DatasetCorruptError(
            f"{path} cannot be read as a Parquet, Feather or Arrow file ({error})"
        ) from error


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise ModuleNotFoundError(
            f'tables are read by pyarrow ({error}); install it with: pip install "latentknn[tables]"'
        ) from error
    return pyarrow
