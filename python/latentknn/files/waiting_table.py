"""Metadata that wait on the disk, as a file of Parquet, until the columns before them are complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.files.column_writer import BATCH_BYTES
from latentknn.files.metadata_column import joined, writer_of


class WaitingTable:
    """Rows of metadata in the order in which they came; iterating gives the bytes of a file of Parquet.

    Parameters
    ----------
    file : binary file
        Empty, and open for reading and writing.
    schema : pyarrow.Schema
        The columns.
    """

    def __init__(self, file: IO[bytes], schema: Any) -> None:
        self._file = file
        self._writer = writer_of(file, schema)
        # Rows that are too few for a group of their own.
        self._few: list[Any] = []

    def add(self, table: Any) -> None:
        """Append rows of the schema."""
        self._few.append(table)
        if sum(each.nbytes for each in self._few) >= BATCH_BYTES:
            self._write()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        self._write()
        self._writer.close()
        self._file.seek(0)
        while content := self._file.read(BATCH_BYTES):
            yield np.frombuffer(content, np.uint8)

    def _write(self) -> None:
        if self._few:
            self._writer.write_table(joined(self._few).combine_chunks())
            self._few = []
