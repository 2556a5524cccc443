"""The IDX file format of MNIST.

A file holds two zero bytes, one byte for the type (8 is unsigned byte, the only type that is read here), one
byte for the number of axes, the length of every axis as a big-endian 32-bit integer, and the values in C
order. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.datasets.errors import DatasetCorruptError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 8
_MOST_AXES = 32


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes; its content tells whether gzip has compressed it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray of uint8, read-only
        The values, with the axes that the header names.

    Raises
    ------
    DatasetCorruptError
        If the file cannot be decompressed, is no IDX file of unsigned bytes, or is shorter or longer than
        its header says.
    """
    content = path.read_bytes()
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise DatasetCorruptError(
                f"{path} cannot be decompressed ({error}): get the file anew"
            ) from error

    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise DatasetCorruptError(
            f"{path} is no IDX file of unsigned bytes: expected it to begin with 00 00 08, "
            f"found {content[:4].hex(' ') or 'nothing'}"
        )
    number_of_axes = content[3]
    if number_of_axes > _MOST_AXES:
        raise DatasetCorruptError(f"{path} has {number_of_axes} axes, expected at most {_MOST_AXES}")
    values_begin = 4 + 4 * number_of_axes
    if len(content) < values_begin:
        raise DatasetCorruptError(f"{path} ends inside its header, after {len(content)} bytes")
    shape = struct.unpack(f">{number_of_axes}I", content[4:values_begin])
    expected_length = values_begin + math.prod(shape)
    if len(content) != expected_length:
        raise DatasetCorruptError(
            f"{path} holds {len(content)} bytes (decompressed), expected {expected_length} for shape {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=values_begin).reshape(shape)


def idx_header(array: NDArray[np.uint8]) -> bytes:
    """Return the header of the IDX file that holds ``array``."""
    return bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)


def idx_checksum(array: NDArray[Any]) -> str:
    """Return the SHA-256, in hexadecimal, of the decompressed IDX file that holds ``array`` (of uint8).

    The checksum depends on the content alone and not on the compression, so that one serves every source.
    """
    checksum = hashlib.sha256(idx_header(array))
    checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()
