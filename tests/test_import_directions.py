"""A check that every file uses only rooms that its own room may know."""

import pytest

from rooms import (
    ALLOWED,
    PAGE,
    ROOT,
    files_of,
    page_with_pictures,
    reach,
    room_of,
    used_places,
    without_suffix,
)


def forbidden_uses(file, source):
    """Return a sentence for each forbidden use in a file, which is given by its path from the root."""
    room = room_of(without_suffix(file))
    assert room is not None, f"{file} belongs to no room"
    allowed = reach(room)
    others = ", ".join(sorted(allowed - {room})) or "no other room"
    return [
        f"{file}, line {line}, uses {name}; {room} may use {others}"
        for line, name, place in used_places(file, source)
        if room_of(place) not in allowed
    ]


@pytest.mark.parametrize("room", ALLOWED)
def test_no_file_uses_a_room_above_its_own(room):
    files = files_of(room)
    assert files, f"{room} has no file"
    found = [sentence for file in files for sentence in forbidden_uses(file, (ROOT / file).read_text())]
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
    (sentence,) = forbidden_uses("python/latentknn/models/layers/new.py", source)
    assert sentence.startswith("python/latentknn/models/layers/new.py, line ")
    assert "uses latentknn" in sentence


@pytest.mark.parametrize(
    ("file", "included"),
    [
        ("cpp/core/layout/layout.cpp", "search/search.h"),
        ("cpp/core/kernels/avx2.cpp", "platform/thread_pool.h"),
        ("cpp/core/search/plan.cpp", "database.h"),
        ("cpp/core/database.cpp", "sharded_rows.h"),
        ("cpp/cuda/plan.cpp", "search/search.h"),
    ],
)
def test_an_include_of_a_room_above_is_told(file, included):
    (sentence,) = forbidden_uses(file, f'// A comment.\n#include "{included}"\n')
    assert sentence.startswith(f"{file}, line 2, uses {included}; ")


def test_imports_of_rooms_below_and_for_types_are_fine():
    source = """
from typing import TYPE_CHECKING

import numpy as np

from latentknn.models import images
from latentknn.models.layers.scaling import scale_pixels

if TYPE_CHECKING:
    from latentknn.models.base.image_encoder import ImageEncoder
"""
    assert forbidden_uses("python/latentknn/models/training/new.py", source) == []
    included = '#include <vector>\n#include "cell_caps.h"\n#include "linear/projection.h"\n'
    assert forbidden_uses("cpp/core/layout/new.h", included) == []


def test_the_pictures_are_drawn_from_the_code():
    page = PAGE.read_text(encoding="utf-8")
    assert page_with_pictures(page) == page, "run `python tests/rooms.py`"
