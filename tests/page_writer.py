"""An index written by docs/format.md alone: with json, struct and BLAKE3, and nothing of latentknn."""

from __future__ import annotations

import json
import struct

from blake3 import blake3

BLOCK = 4194304


def sealed(text: bytes, after: bytes = b"") -> bytes:
    """Put the digest of a text, and of what follows it in its file, where 64 zeros stand first."""
    zeros = b"0" * 64
    return text.replace(zeros, blake3(text + after).hexdigest().encode(), 1)


def columns(metadata: dict, tensors: list[tuple[str, str, list[int], bytes]], spaces: int = 0) -> bytes:
    """Return a file of columns: names, dtypes, shapes and bytes of them, without the digests."""
    data = b"".join(content for *_, content in tensors)
    table = b"".join(blake3(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK))
    header = {"__metadata__": {"digest": "0" * 64, **metadata}}
    position = 0
    for name, dtype, shape, content in [*tensors, ("digests", "U8", [len(table) // 32, 32], table)]:
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [position, position + len(content)],
        }
        position += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * ((-8 - len(text)) % 64 + 64 * spaces)
    return sealed(struct.pack("<Q", len(text)) + text, table) + data + table


def digest_in(file: bytes) -> str:
    """Return the digest that stands in a file of columns."""
    return json.loads(file[8 : 8 + struct.unpack("<Q", file[:8])[0]])["__metadata__"]["digest"]


def manifest(**fields) -> bytes:
    """Return a manifest of fields beside its digest."""
    return sealed(('{"digest":"' + "0" * 64 + '",' + json.dumps(fields)[1:]).encode())
