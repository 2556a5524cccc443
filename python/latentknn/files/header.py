"""The header of a file of columns, which is one of safetensors, checked before anything is allocated."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from latentknn.files.digests import BLOCK_BYTES, DIGEST_BYTES, Buffer, is_sealed, seal, seal_of
from latentknn.files.label_columns import labels_dtype

INDEX_FORMAT = "latentknn index 1"
SHARD_FORMAT = "latentknn shard 1"

HEADER_BYTES = 1024
"""Bytes before the data of the files that are written here: a multiple of 64, for mapping."""

_MOST_HEADER_BYTES = 1 << 16
_ALIGNMENT = 64
_LENGTH_BYTES = 8
_SEAL_PREFIX = b'{"__metadata__":{"digest":"'
_METADATA = {"digest", "format", "next_id", "labels_dtype"}
MOST_ROWS = (1 << 32) - 1
MOST_DIM = 1 << 24

_LABELS = ["BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "F32", "F64"]
_DTYPES = {"codes": ["F32"], "ids": ["I64"], "labels": _LABELS, "metadata": ["U8"], "digests": ["U8"]}
_KINDS = {"U": "u", "I": "i", "F": "f"}


@dataclass(frozen=True)
class Tensor:
    """Where an array stands in a file.

    Parameters
    ----------
    dtype : str
        Its dtype in the words of safetensors, such as "F32".
    shape : tuple of int
    begin, end : int
        Its bytes, counted from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def numpy_dtype(self) -> str:
        """The same dtype in the words of NumPy."""
        if self.dtype == "BOOL":
            return "?"
        return f"<{_KINDS[self.dtype[0]]}{int(self.dtype[1:]) // 8}"


@dataclass(frozen=True)
class Header:
    """What the header of a file says.

    Parameters
    ----------
    text : bytes
        The header with the eight bytes of its length.
    metadata : dict
        Strings by name.
    tensors : dict
        The arrays by name, in the order in which they are stored: codes, and ids, labels, metadata and
        digests where there are any.
    """

    text: bytes
    metadata: dict[str, str]
    tensors: dict[str, Tensor]

    @property
    def digest(self) -> str | None:
        """The digest of the header and of the digests of the blocks; None in files of version 0.1."""
        return self.metadata.get("digest")

    @property
    def rows(self) -> int:
        """Number of codes."""
        return self.tensors["codes"].shape[0]

    @property
    def dim(self) -> int:
        """Dimensions of a code."""
        return self.tensors["codes"].shape[1]

    def is_whole(self, digests: Buffer) -> bool:
        """Return whether header and digests of blocks are those that were written."""
        return is_sealed(self.text, self.text[:_LENGTH_BYTES] + _SEAL_PREFIX, digests)


def write_header(metadata: dict[str, str], tensors: dict[str, Tensor], digests: Buffer) -> tuple[bytes, str]:
    """Return the `HEADER_BYTES` bytes of a header, and its digest."""
    described: dict[str, Any] = {
        name: {"dtype": each.dtype, "shape": each.shape, "data_offsets": (each.begin, each.end)}
        for name, each in tensors.items()
    }
    described = {"__metadata__": {"digest": "", **metadata}, **described}
    text = json.dumps(described, separators=(",", ":")).encode()
    length = HEADER_BYTES - _LENGTH_BYTES
    prefix = length.to_bytes(_LENGTH_BYTES, "little") + _SEAL_PREFIX
    rest = text.removeprefix(_SEAL_PREFIX)
    sealed = seal(prefix, rest + b" " * (length - len(text) - 2 * DIGEST_BYTES), digests)
    assert len(sealed) == HEADER_BYTES, "the names and numbers of a header have bounds"
    digest = seal_of(sealed, prefix)
    assert digest is not None
    return sealed, digest


def read_header(file: int, size: int) -> Header:
    """Read the header of an open file of `size` bytes.

    Raises
    ------
    ValueError
        Where it is damaged, describes something else than an index, or does not fit the size.
    """
    start = os.pread(file, _LENGTH_BYTES, 0)
    length = int.from_bytes(start, "little")
    if len(start) < _LENGTH_BYTES or not 2 <= length <= min(_MOST_HEADER_BYTES, size - _LENGTH_BYTES):
        raise ValueError(f"its header has {length} bytes, from 2 to {_MOST_HEADER_BYTES} are possible")
    text = os.pread(file, length, _LENGTH_BYTES)
    if len(text) < length:
        raise ValueError("its header is not whole")
    found = parse_json(text)
    metadata = found.pop("__metadata__", {})
    tensors = _tensors(found, size - _LENGTH_BYTES - length)
    header = Header(start + text, metadata, tensors)
    _check_metadata(header)
    if header.digest is not None:
        _check_digests(header)
    elif "digests" in tensors:
        raise ValueError("it has digests of its blocks, and none of its header")
    return header


def parse_json(text: bytes) -> dict[str, Any]:
    """Return the object that a JSON text holds; ValueError for anything else, or for equal names in it."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"its JSON is no object but {type(value).__name__}")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name occurs twice in its JSON")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"its JSON has the constant {name}")


def _tensors(found: dict[str, Any], data_bytes: int) -> dict[str, Tensor]:
    """Return checked tensors in the order of their bytes, which fill the data without gaps."""
    tensors = {name: _tensor(name, described) for name, described in found.items()}
    if "codes" not in tensors:
        raise ValueError("it has no codes")
    rows, dim = tensors["codes"].shape if len(tensors["codes"].shape) == 2 else (-1, 0)
    if not (0 <= rows <= MOST_ROWS and 1 <= dim <= MOST_DIM):
        raise ValueError(f"its codes have shape {tensors['codes'].shape}")
    for name in tensors.keys() & {"ids", "labels"}:
        shape = tensors[name].shape
        if shape[:1] != (rows,) or len(shape) > (1 if name == "ids" else 2):
            raise ValueError(f"its {name} have shape {shape}, for {rows} codes")
    if "metadata" in tensors and len(tensors["metadata"].shape) != 1:
        raise ValueError(f"its metadata have shape {tensors['metadata'].shape}, and are the bytes of a file")
    in_order = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    position = 0
    for name, tensor in in_order.items():
        if tensor.begin != position:
            raise ValueError(f"its {name} begin at byte {tensor.begin} of the data, expected {position}")
        position = tensor.end
    if position != data_bytes:
        raise ValueError(f"its arrays end at byte {position} of the data, which has {data_bytes}")
    return in_order


def _tensor(name: str, described: Any) -> Tensor:
    if name not in _DTYPES:
        raise ValueError(f"it has an array that no index has, {name[:100]!r}")
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its {name} are not described by dtype, shape and data_offsets")
    dtype, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if dtype not in _DTYPES[name]:
        raise ValueError(f"its {name} have dtype {str(dtype)[:100]!r}")
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [-1]
    if not all(type(each) is int and each >= 0 for each in numbers) or len(offsets) != 2:
        raise ValueError(f"its {name} have a shape or offsets that are no numbers from 0 on")
    tensor = Tensor(dtype, tuple(shape), *offsets)
    itemsize = 1 if dtype == "BOOL" else int(dtype[1:]) // 8
    if prod(tensor.shape) * itemsize != tensor.end - tensor.begin:
        raise ValueError(f"its {name} have shape {tensor.shape} in {tensor.end - tensor.begin} bytes")
    return tensor


def _check_metadata(header: Header) -> None:
    metadata = header.metadata
    if not isinstance(metadata, dict) or not all(isinstance(each, str) for each in metadata.values()):
        raise ValueError("its metadata are not strings by name")
    if metadata.get("format") not in (INDEX_FORMAT, SHARD_FORMAT):
        raise ValueError(f"its format is {metadata.get('format')!r}, not {INDEX_FORMAT!r}")
    if not metadata.keys() <= _METADATA:
        raise ValueError(f"its metadata have the unknown name {min(metadata.keys() - _METADATA)[:100]!r}")
    # Only a digest that stands where it belongs can be checked.
    if header.digest != seal_of(header.text[_LENGTH_BYTES:], _SEAL_PREFIX):
        raise ValueError("its digest does not stand at the beginning of its header")
    if header.digest is None and metadata["format"] == SHARD_FORMAT:
        raise ValueError("it is a shard without a digest")
    labels = header.tensors.get("labels")
    if (labels is None) != ("labels_dtype" not in metadata):
        raise ValueError("it has labels without their type, or the type of labels that it does not have")
    if labels is not None:
        _check_labels(labels, labels_dtype(metadata["labels_dtype"]))


def _check_labels(labels: Tensor, dtype: np.dtype[Any]) -> None:
    if dtype.kind in "US":
        fits = labels.dtype == "U8" and labels.shape[1:] == (max(dtype.itemsize, 1),)
    else:
        fits = len(labels.shape) == 1 and np.dtype(labels.numpy_dtype) == dtype.newbyteorder("=")
    if not fits:
        raise ValueError(f"its labels have shape {labels.shape} and dtype {labels.dtype}, for {dtype.str}")


def _check_digests(header: Header) -> None:
    if len(header.text) % _ALIGNMENT != 0 or next(iter(header.tensors)) != "codes":
        raise ValueError("its codes do not begin at a multiple of 64 bytes")
    name, table = list(header.tensors.items())[-1]
    blocks = -(-table.begin // BLOCK_BYTES)
    if name != "digests" or table.shape != (blocks, DIGEST_BYTES):
        raise ValueError(f"its digests are not those of {blocks} blocks at the end of the file")
