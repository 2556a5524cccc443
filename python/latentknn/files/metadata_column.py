"""Columns of metadata, which stand in a file of columns as one file of Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_COMPRESSION = "zstd"


def import_arrow() -> Any:
    """Return pyarrow with its module for Parquet; ImportError names the extra to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("metadata need pyarrow: pip install 'latentknn[tables]'") from error
    return pyarrow


def as_metadata(values: Any, count: int) -> Any:
    """Return metadata as a table of Arrow without annotations.

    Parameters
    ----------
    values : table or mapping
        A table of Arrow, polars or pandas (whatever has ``__arrow_c_stream__``), or columns by name.
    count : int
        Number of rows that it must have.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    ImportError
        Where pyarrow is missing.
    TypeError
        For what is no table, or a column of a type that Parquet does not have.
    ValueError
        For another number of rows, no columns, a name that occurs twice, or a column that has no one type.
    """
    arrow = import_arrow()
    if not isinstance(values, Mapping) and not hasattr(values, "__arrow_c_stream__"):
        raise TypeError(
            "metadata must be a table of Arrow, polars or pandas, or columns by name, received a "
            f"{type(values).__name__}"
        )
    try:
        table = arrow.table(values).replace_schema_metadata(None)
        # What cannot be written is refused at once.
        arrow.parquet.write_table(table.schema.empty_table(), arrow.BufferOutputStream())
    except (TypeError, NotImplementedError) as error:
        raise TypeError(f"metadata must be columns of types that Parquet has: {error}") from error
    except arrow.ArrowInvalid as error:
        raise ValueError(f"metadata must be columns of one type and of equal length each: {error}") from error
    names = table.column_names
    if not names or len(set(names)) < len(names):
        raise ValueError(f"metadata need columns of distinct names, received {names}")
    if table.num_rows != count:
        raise ValueError(f"metadata must have a row for each of {count} codes, received {table.num_rows}")
    return table


def fitted(table: Any, schema: Any) -> Any:
    """Return a table with the columns of a schema, in its order; ValueError where they are others."""
    arrow = import_arrow()
    if set(table.column_names) != set(schema.names):
        raise ValueError(
            f"metadata have the columns {table.column_names}, and those of the codes before {schema.names}"
        )
    try:
        return table.select(schema.names).cast(schema)
    except (arrow.ArrowInvalid, NotImplementedError) as error:
        raise ValueError(f"metadata do not have the types of those of the codes before: {error}") from error


def rows_with(table: Any, name: str, values: Any) -> NDArray[np.int64]:
    """Return for each of some values the row that has it in a column.

    Raises
    ------
    KeyError
        For a column that there is not, or a value that no row has.
    TypeError
        For values of another type than the column's.
    ValueError
        For a value that several rows have.
    """
    arrow = import_arrow()
    import pyarrow.compute as compute

    if name not in table.column_names:
        raise KeyError(
            f"the metadata have no column {name!r}, but {', '.join(map(repr, table.column_names))}"
        )
    column = table[name].combine_chunks()
    if arrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError(f"received {values!r} in place of a list of values")
        wanted = arrow.array(values, column.type)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError, TypeError) as error:
        raise TypeError(f"values of column {name!r} are of type {column.type}: {error}") from error
    distinct = compute.unique(wanted)
    found = compute.index_in(distinct, value_set=column)
    missing = found.null_count + distinct.null_count
    if missing > 0:
        missed = distinct.filter(compute.or_(compute.is_null(found), compute.is_null(distinct)))[0]
        raise KeyError(f"no code has {missed.as_py()!r} in column {name!r} of the metadata")
    there = column.filter(compute.is_in(column, value_set=distinct))
    if len(there) > len(distinct):
        counts = there.value_counts()
        first = counts.filter(compute.greater(counts.field("counts"), 1))[0]["values"]
        raise ValueError(f"several codes have {first.as_py()!r} in column {name!r} of the metadata")
    at = compute.index_in(wanted, value_set=column)
    return np.asarray(at.to_numpy(zero_copy_only=False), np.int64)


def encoded(table: Any) -> NDArray[np.uint8]:
    """Return a table as the bytes of a file of Parquet, the same for the same rows."""
    arrow = import_arrow()
    sink = arrow.BufferOutputStream()
    arrow.parquet.write_table(table.combine_chunks(), sink, compression=_COMPRESSION)
    return np.frombuffer(sink.getvalue(), np.uint8)


def writer_of(file: IO[bytes], schema: Any) -> Any:
    """Return what writes tables of a schema to a file of Parquet, each as a group of rows."""
    return import_arrow().parquet.ParquetWriter(file, schema, compression=_COMPRESSION)


def decoded(content: NDArray[np.uint8], count: int) -> Any:
    """Return the table that a file of Parquet holds; ValueError where it is none of `count` rows."""
    arrow = import_arrow()
    try:
        table = arrow.parquet.read_table(arrow.BufferReader(arrow.py_buffer(content)), use_threads=False)
    except (OSError, arrow.ArrowException) as error:
        raise ValueError(f"its metadata are no file of Parquet: {error}") from error
    try:
        return as_metadata(table, count)
    except TypeError as error:
        raise ValueError(f"its metadata are not those of an index: {error}") from error


def joined_metadata(tables: list[Any]) -> Any:
    """Return the metadata of parts that all have some, or that all have none; else ValueError."""
    given = [table for table in tables if table is not None]
    if not given:
        return None
    if len(given) < len(tables):
        raise ValueError("some codes have metadata and some have none; all have them, or none")
    return joined(given)


def joined(tables: list[Any]) -> Any:
    """Return the rows of tables, at least one, which have the same columns; else ValueError."""
    arrow = import_arrow()
    try:
        return arrow.concat_tables(tables)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"the metadata of some codes have other columns: {error}") from error
