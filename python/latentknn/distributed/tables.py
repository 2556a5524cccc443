"""Parquet files of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.array_likes import as_matrix


def read_table(path: str) -> Any:
    """Return a file as a table of Arrow."""
    return _parquet().read_table(path, memory_map=False)


def column_values(table: Any, name: str, source: str) -> NDArray[Any]:
    """Return a column: lists as a matrix, otherwise as they are; ValueError where there is none."""
    if name not in table.column_names:
        present = ", ".join(map(repr, table.column_names))
        raise ValueError(f"there is no column {name!r} in {source!r}, which has {present}")
    column = table.column(name)
    nested = str(column.type).startswith(("list", "large_list", "fixed_size_list"))
    values: NDArray[Any] = as_matrix(column, name) if nested else column.to_numpy()
    return values


def with_column(table: Any, without: str, name: str, values: NDArray[Any]) -> Any:
    """Return a table with one column instead of another; rows of a matrix become lists of one size."""
    arrow = import_module("pyarrow")
    rest = table.drop_columns([without])
    if name in rest.column_names:
        raise ValueError(f"a column of the input is named {name!r}, as the new one is; rename it")
    if values.ndim == 2:
        new = arrow.FixedSizeListArray.from_arrays(arrow.array(values.reshape(-1)), values.shape[1])
    else:
        new = arrow.array(values)
    return rest.append_column(name, new)


def write_table(path: Path, table: Any | Mapping[str, Any]) -> None:
    """Write a table, or columns by their names; the same content gives the same bytes."""
    made = import_module("pyarrow").table(dict(table)) if isinstance(table, Mapping) else table
    # What pandas has noted for itself in the input describes other columns.
    _parquet().write_table(made.replace_schema_metadata(None), path)


def list_column(values: list[NDArray[Any]], dtype: type[np.generic]) -> Any:
    """Return a column of lists of different sizes."""
    arrow = import_module("pyarrow")
    offsets = np.cumsum([0, *map(len, values)])
    flat = np.concatenate([np.empty(0, dtype), *values])
    return arrow.LargeListArray.from_arrays(arrow.array(offsets), arrow.array(flat))


def _parquet() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install 'latentknn[tables]'") from error
