"""A file imports only from those rooms of the repository that its own room may know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED = {
    "python/latentknn/atomic_file": [],
    "python/latentknn/stratifying": [],
    "python/latentknn/models/backend": [],
    "python/latentknn/models/images": [],
    "python/latentknn/models/registry": [],
    "python/latentknn/models/errors": ["python/latentknn/models/registry"],
    "python/latentknn/models/layers": ["python/latentknn/models/backend", "python/latentknn/models/images"],
    "python/latentknn/models/training": ["python/latentknn/models/layers"],
    "python/latentknn/models/base": [
        "python/latentknn/models/training",
        "python/latentknn/models/errors",
        "python/latentknn/atomic_file",
    ],
    "python/latentknn/models/autoencoders": ["python/latentknn/models/base"],
    "python/latentknn/models/generative": ["python/latentknn/models/base"],
    "python/latentknn/models/supervised": ["python/latentknn/models/base", "python/latentknn/stratifying"],
    "python/latentknn/models": ["python/latentknn/models/base"],
}
"""The rooms, each a folder or a single file, and which of the others its files may import.

A room may also import what the rooms beside its name may import. A file belongs to the room with the longest
name that fits, so that a new file beside rooms belongs to the folder that holds them.
"""


def without_suffix(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__")


def room_of(place: str) -> str | None:
    """Return the room of a file or folder, given by its path from the root, without a suffix."""
    fitting = [room for room in ALLOWED if f"{place}/".startswith(f"{room}/")]
    return max(fitting, key=len, default=None)


def reach(room: str) -> set[str]:
    """Return the rooms that a room may import, itself among them."""
    return {room}.union(*(reach(other) for other in ALLOWED[room]))


def place_of(module: str) -> str:
    return f"python/{module.replace('.', '/')}"


def exists(place: str) -> bool:
    return (ROOT / f"{place}.py").is_file() or (ROOT / place).is_dir()


def imported_modules(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each module that is imported below a node, but for types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imported_modules(ast.Module(child.orelse, []))
        elif isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative imports are not used here"
            for alias in child.names:
                module = f"{child.module}.{alias.name}"
                yield child.lineno, module if exists(place_of(module)) else str(child.module)
        else:
            yield from imported_modules(child)


def forbidden_imports(file: str, source: str) -> list[str]:
    """Return a sentence for each module that a file, given by its path from the root, must not import."""
    room = room_of(without_suffix(file))
    assert room is not None, f"{file} belongs to no room"
    allowed = reach(room)
    others = ", ".join(sorted(allowed - {room})) or "no other room"
    return [
        f"{file}, line {line}, imports {module}; {room} may import {others}"
        for line, module in imported_modules(ast.parse(source))
        if module.split(".")[0] == "latentknn" and room_of(place_of(module)) not in allowed
    ]


def files_of(room: str) -> list[str]:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "python").rglob("*.py")]
    return [file for file in files if room_of(without_suffix(file)) == room]


@pytest.mark.parametrize("room", ALLOWED)
def test_no_file_imports_a_room_above_its_own(room):
    files = files_of(room)
    assert files, f"{room} has no file"
    found = [sentence for file in files for sentence in forbidden_imports(file, (ROOT / file).read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "from latentknn.models.base.checkpoint import Checkpoint",
        "from latentknn.models.base import checkpoint",
        "import latentknn.models.base.checkpoint",
        "def late():\n    from latentknn.models.base.checkpoint import Checkpoint",
        "from latentknn.models import create",
        "from latentknn import CosineIndex",
    ],
)
def test_an_import_of_a_room_above_is_told(source):
    (sentence,) = forbidden_imports("python/latentknn/models/layers/new.py", source)
    assert sentence.startswith("python/latentknn/models/layers/new.py, line ")
    assert "imports latentknn" in sentence


def test_imports_of_rooms_below_and_for_types_are_fine():
    source = """
from typing import TYPE_CHECKING

import numpy as np

from latentknn.models import images
from latentknn.models.layers.scaling import scale_pixels

if TYPE_CHECKING:
    from latentknn.models.base.image_encoder import ImageEncoder
"""
    assert forbidden_imports("python/latentknn/models/training/new.py", source) == []
