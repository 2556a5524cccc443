"""Reading the columns of an index or of a shard."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentknn.files.digests import BLOCK_BYTES, DIGEST_BYTES, BlockDigests
from latentknn.files.header import Header, Tensor, read_header
from latentknn.files.label_columns import decode_labels, labels_dtype
from latentknn.files.metadata_column import decoded
from latentknn.files.regular_file import open_regular_file

_READ_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Columns:
    """Codes and what belongs to them.

    Parameters
    ----------
    codes : ndarray of shape (n, d), float32
    ids : ndarray of shape (n,), int64, or None
        None where every id is the position of its code.
    labels : ndarray of shape (n,), or None
    content : ndarray of uint8, or None
        The file of Parquet that holds the metadata.
    """

    codes: NDArray[np.float32]
    ids: NDArray[np.int64] | None
    labels: NDArray[Any] | None
    content: NDArray[np.uint8] | None

    @cached_property
    def metadata(self) -> Any:
        """A `pyarrow.Table` of n rows, or None.

        Raises ValueError where it is damaged, ImportError without pyarrow.
        """
        return None if self.content is None else decoded(self.content, len(self.codes))


class ColumnFile:
    """An open file of columns, for ``with``, whose header has been checked.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : Header

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    OSError
        Where it cannot be read.
    ValueError
        Where its header is damaged or describes no index.
    """

    def __init__(self, path: Path) -> None:
        self._file, self.bytes = open_regular_file(path)
        try:
            self.header: Header = read_header(self._file, self.bytes)
            self._digests = self._checked_digests()
        except BaseException:
            os.close(self._file)
            raise
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def read(
        self,
        *,
        mapped: bool = False,
        verified: bool = True,
        metadata: bool = True,
        into: NDArray[np.float32] | None = None,
    ) -> Columns:
        """Return all columns.

        Parameters
        ----------
        mapped : bool
            Whether the codes are mapped, so that they take memory only while they are used.
        verified : bool
            Whether every byte is compared with its digest, where the file has any.
        metadata : bool
            Whether metadata are returned, and take memory; else they are only compared.
        into : ndarray of shape (n, d), float32, optional
            Where codes go that are not mapped, in C order; it may be filled in part where this raises.

        Raises
        ------
        MemoryError
            Where columns that are not mapped are larger than the memory of this machine.
        ValueError
            Where a block is not what was written, or `into` has another shape than the codes.
        """
        codes = self.header.tensors["codes"]
        if into is not None and (into.shape != codes.shape or not into.flags.c_contiguous):
            raise ValueError(f"its codes have shape {codes.shape}, received room of shape {into.shape}")
        check = _Check(self._digests if verified else None)
        arrays: dict[str, NDArray[Any]] = {} if into is None else {"codes": into}
        if mapped:
            arrays["codes"] = self._mapped_codes()
        passed_by = {"codes"} if mapped else set()
        passed_by |= set() if metadata else {"metadata"}
        held = [each for name, each in self._columns.items() if name not in passed_by]
        if not mapped and into is None:
            check_memory(self._path, sum(each.end - each.begin for each in held))
        for name, tensor in self._columns.items():
            if name in passed_by:
                self._verify(tensor, check)
                continue
            if name not in arrays:
                arrays[name] = np.empty(tensor.shape, tensor.numpy_dtype)
            view = arrays[name].reshape(-1).view(np.uint8)
            for begin in range(0, len(view), _READ_BYTES):
                part = view[begin : begin + _READ_BYTES]
                self._fill(part, tensor.begin + begin)
                check.update(part)
        check.finish()
        labels = arrays.get("labels")
        if labels is not None:
            labels = decode_labels(labels, labels_dtype(self.header.metadata["labels_dtype"]))
        return Columns(arrays["codes"], arrays.get("ids"), labels, arrays.get("metadata"))

    def _verify(self, tensor: Tensor, check: _Check) -> None:
        """Compare bytes that are not wanted themselves; they are read, for a mapping may end too early."""
        if check.wanted is None:
            return
        scratch = np.empty(_READ_BYTES, np.uint8)
        for begin in range(tensor.begin, tensor.end, _READ_BYTES):
            part = scratch[: tensor.end - begin]
            self._fill(part, begin)
            check.update(part)

    @property
    def _columns(self) -> dict[str, Tensor]:
        """The arrays in the order of the file, without the digests."""
        return {name: each for name, each in self.header.tensors.items() if name != "digests"}

    def _mapped_codes(self) -> NDArray[np.float32]:
        codes = self.header.tensors["codes"]
        if codes.begin == codes.end:
            return np.empty(codes.shape, np.float32)
        offset = len(self.header.text) + codes.begin
        with open(self._file, "rb", closefd=False) as file:
            return np.memmap(file, np.float32, "r", offset, codes.shape)

    def _fill(self, part: NDArray[np.uint8], position: int) -> None:
        """Read bytes of the data from a position on."""
        view = part.data
        position += len(self.header.text)
        while len(view) > 0:
            count = os.preadv(self._file, [view], position)
            if count == 0:
                raise ValueError(f"it ends at byte {position}, which was not the end when it was opened")
            view = view[count:]
            position += count

    def _checked_digests(self) -> list[bytes] | None:
        """Return the digests of the blocks; None where the file has none."""
        if self.header.digest is None:
            return None
        tensor = self.header.tensors["digests"]
        table = np.empty(tensor.end - tensor.begin, np.uint8)
        self._fill(table, tensor.begin)
        if not self.header.is_whole(table.data):
            raise ValueError("its header, or its table of digests, is not what was written")
        digests = table.tobytes()
        return [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]


class _Check:
    """Compares blocks with their digests while they are read; without digests, nothing."""

    def __init__(self, wanted: list[bytes] | None) -> None:
        self.wanted = wanted
        self._found = BlockDigests()
        self._compared = 0

    def update(self, part: NDArray[np.uint8]) -> None:
        if self.wanted is not None:
            self._found.update(part.data)
            self._compare(self.wanted)

    def finish(self) -> None:
        if self.wanted is not None:
            self._found.finish()
            self._compare(self.wanted)

    def _compare(self, wanted: list[bytes]) -> None:
        while self._compared < len(self._found.complete):
            if self._found.complete[self._compared] != wanted[self._compared]:
                raise ValueError(
                    f"the {BLOCK_BYTES:,} bytes from byte {self._compared * BLOCK_BYTES:,} of its data on "
                    "are not what was written"
                )
            self._compared += 1


def check_memory(path: Path, needed: int) -> None:
    """Raise MemoryError where a file needs more bytes than this machine has."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise MemoryError(
            f"{os.fspath(path)!r} holds {needed:,} bytes of codes, ids and labels, and this machine has a "
            f"memory of {available:,}"
        )
