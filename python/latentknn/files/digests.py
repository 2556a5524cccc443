"""BLAKE3 digests of what index files consist of.

BLAKE3 was chosen over the faster XXH3 because nobody can make other content of the same digest: a digest
names a shard. It is still faster than disks are.

Source: https://github.com/BLAKE3-team/BLAKE3-specs, by the package ``blake3``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blake3 import blake3

BLOCK_BYTES = 4 << 20
"""Bytes of the data of a file that have a digest together."""

DIGEST_BYTES = 32
DIGEST_DIGITS = 2 * DIGEST_BYTES

_NO_DIGITS = b"0" * DIGEST_DIGITS
_DIGITS = frozenset("0123456789abcdef")

Buffer = bytes | bytearray | memoryview


def digest_of(*parts: Buffer) -> bytes:
    """Return the digest of parts that follow each other."""
    hasher = _hasher()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


class BlockDigests:
    """The digests of the blocks of a stream of bytes.

    Examples
    --------
    >>> digests = BlockDigests()
    >>> digests.update(b"some")
    >>> digests.update(b" bytes")
    >>> digests.finish()[0] == digest_of(b"some bytes")
    True
    """

    def __init__(self) -> None:
        self.complete: list[bytes] = []
        self._hasher = _hasher()
        self._filled = 0

    def update(self, data: Buffer) -> None:
        """Read bytes that follow those of before."""
        view = memoryview(data)
        while len(view) > 0:
            part = view[: BLOCK_BYTES - self._filled]
            self._hasher.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == BLOCK_BYTES:
                self._complete()

    def finish(self) -> list[bytes]:
        """Return the digests of all blocks, the last of which may be shorter than the others."""
        if self._filled > 0:
            self._complete()
        return self.complete

    def _complete(self) -> None:
        self.complete.append(self._hasher.digest())
        self._hasher.reset()
        self._filled = 0


def seal(prefix: bytes, rest: bytes, *after: Buffer) -> bytes:
    """Return a text with a digest of itself, and of what is stored after it, between `prefix` and `rest`.

    The digest is that of the same bytes with zeros for its own digits.
    """
    digest = digest_of(prefix, _NO_DIGITS, rest, *after)
    return prefix + digest.hex().encode() + rest


def seal_of(text: bytes, prefix: bytes) -> str | None:
    """Return the digits of the digest that stands after `prefix` in a text, or None where it has none."""
    if not text.startswith(prefix):
        return None
    digits = text[len(prefix) : len(prefix) + DIGEST_DIGITS].decode("ascii", "replace")
    return digits if is_digest(digits) else None


def is_digest(digits: object) -> bool:
    """Return whether something is the text of a digest: 64 digits, of which letters are small."""
    return isinstance(digits, str) and len(digits) == DIGEST_DIGITS and set(digits) <= _DIGITS


def is_sealed(text: bytes, prefix: bytes, *after: Buffer) -> bool:
    """Return whether the digest that `seal` wrote into a text fits it and what is stored after it."""
    rest = text[len(prefix) + DIGEST_DIGITS :]
    return seal_of(text, prefix) is not None and seal(prefix, rest, *after) == text


def _hasher() -> blake3:
    # `import latentknn` imports NumPy and the core alone.
    from blake3 import blake3

    return blake3()
