"""Ways to damage the bytes of a file, which tests of files share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def mutants(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield changed copies of a file: bytes flipped, replaced, removed, repeated, moved or set to zero."""
    generator = np.random.default_rng(seed)
    changes: list[Callable[[bytearray, Any], None]] = [
        flip,
        replace,
        remove,
        repeat,
        move,
        clear,
        swap_digits,
    ]
    yielded = 0
    while yielded < count:
        mutant = bytearray(content)
        for _ in range(generator.integers(1, 4)):
            changes[generator.integers(len(changes))](mutant, generator)
        if mutant != content:
            yielded += 1
            yield bytes(mutant)


def place(content: bytearray, generator: Any) -> int:
    """Return a place in the content, in half of all cases one of the header."""
    end = min(len(content), 600) if generator.random() < 0.5 else len(content)
    return int(generator.integers(end))


def flip(content: bytearray, generator: Any) -> None:
    content[place(content, generator)] ^= 1 << int(generator.integers(8))


def replace(content: bytearray, generator: Any) -> None:
    at = place(content, generator)
    length = int(generator.integers(1, 9))
    content[at : at + length] = generator.bytes(len(content[at : at + length]))


def remove(content: bytearray, generator: Any) -> None:
    at = place(content, generator)
    del content[at : at + int(generator.integers(1, 65))]


def repeat(content: bytearray, generator: Any) -> None:
    at = place(content, generator)
    content[at:at] = content[at : at + int(generator.integers(1, 65))]


def move(content: bytearray, generator: Any) -> None:
    at = place(content, generator)
    part = content[at : at + 32]
    del content[at : at + 32]
    to = int(generator.integers(len(content) + 1))
    content[to:to] = part


def clear(content: bytearray, generator: Any) -> None:
    at = place(content, generator)
    end = min(at + int(generator.integers(1, 513)), len(content))
    content[at:end] = bytes(end - at)


def swap_digits(content: bytearray, generator: Any) -> None:
    """Replace a digit by another, where there is one behind a place."""
    at = place(content, generator)
    for position in range(at, min(at + 200, len(content))):
        if content[position] in b"0123456789":
            content[position] = b"0123456789"[generator.integers(10)]
            return
