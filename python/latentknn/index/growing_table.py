"""Tables of metadata that versions of a value share, although one is longer than another."""

from __future__ import annotations

from typing import Any

from latentknn.files.metadata_column import fitted, joined

_JOINED_TIMES = 2
"""A table is joined with those behind it while it has at most so many times their rows."""


class GrowingTable:
    """A table of Arrow that does not change; a longer one shares most of its memory.

    Parameters
    ----------
    tables : pyarrow.Table
        At least one, of the same columns, one behind the other.
    """

    def __init__(self, *tables: Any) -> None:
        self._tables = tables

    @property
    def schema(self) -> Any:
        """Names and types of the columns."""
        return self._tables[0].schema

    @property
    def table(self) -> Any:
        """All rows, without a copy."""
        return joined(list(self._tables))

    def appended(self, table: Any) -> GrowingTable:
        """Return this table followed by another, fitted to its columns; ValueError where it has others."""
        tables = [*self._tables, fitted(table, self.schema)]
        while len(tables) > 1 and tables[-2].num_rows <= _JOINED_TIMES * tables[-1].num_rows:
            tables[-2:] = [joined(tables[-2:]).combine_chunks()]
        return GrowingTable(*tables)
