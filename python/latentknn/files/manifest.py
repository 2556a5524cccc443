"""Manifests: what the shards of a folder are, and what they are together."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.files.digests import is_digest, is_sealed, seal
from latentknn.files.header import MOST_DIM, MOST_ROWS, parse_json
from latentknn.files.label_columns import labels_dtype
from latentknn.files.regular_file import open_regular_file

FORMAT = "latentknn folder 1"
CONTRACT = 1
"""Version of docs/contract.md, by which answers are defined."""

MOST_CLASSES = 1024
"""Classes that a manifest lists; where there are more, it lists none."""

_MOST_BYTES = 1 << 24
_MOST_CLASS_BYTES = 1 << 18
_MOST_ID = (1 << 63) - 1
_MOST_ROWS = 1 << 62
_NAME = re.compile(r"manifest-([0-9]{6,15})\.json")
_SHARD_NAME = re.compile(r"shard-[0-9A-Za-z-]{1,200}\.safetensors")
_SEAL_PREFIX = b'{"digest":"'
_DTYPES = {"codes", "ids", "labels"}
_ENTRY_FIELDS = {"file", "rows", "first", "bytes", "digest"}
_FIELDS = {
    *("format", "contract", "generation", "dim", "dtypes"),
    *("rows", "next_id", "classes", "encoder", "shards"),
}

Class = str | int | float | bool


@dataclass(frozen=True)
class ShardEntry:
    """A shard, as a manifest lists it.

    Parameters
    ----------
    file : str
        Name of its file in the folder.
    rows : int
        Codes in it.
    first : int
        Position of its first code in the whole index.
    bytes : int
        Size of its file.
    digest : str
        The digest that stands in its header, 64 digits.
    """

    file: str
    rows: int
    first: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Parameters
    ----------
    dim : int
        Dimensions of a code.
    shards : tuple of ShardEntry
        In the order of their codes.
    next_id : int
        Id of the next code that comes without one.
    own_ids : bool
        Whether any code has another id than its position.
    labels_dtype : str or None
        Type of the labels of the whole index; None where it has none.
    classes : tuple or None
        The distinct labels, sorted; None where the index has none, or more than `MOST_CLASSES`, or labels
        that JSON does not hold.
    encoder : str or None
        What tells the encoder of the codes from others, if their writer named it.
    generation : int
        Number of this manifest; 0 as long as it has not been written.
    """

    dim: int
    shards: tuple[ShardEntry, ...]
    next_id: int
    own_ids: bool = False
    labels_dtype: str | None = None
    classes: tuple[Class, ...] | None = None
    encoder: str | None = None
    generation: int = 0

    @property
    def rows(self) -> int:
        """Codes in all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"manifest-{self.generation:06d}.json"


def listed_classes(
    labels: NDArray[Any] | None, known: tuple[Class, ...] | None = ()
) -> tuple[Class, ...] | None:
    """Return what a manifest lists as classes: those of labels, and the `known` ones of earlier shards."""
    if labels is None or known is None or labels.dtype.kind == "S":
        return None
    found = np.unique(labels)
    if len(found) > MOST_CLASSES or found.nbytes > _MOST_CLASS_BYTES:
        return None
    classes: set[Any] = {*known, *found.tolist()}
    if len(classes) > MOST_CLASSES or not all(
        math.isfinite(each) for each in classes if isinstance(each, float)
    ):
        return None
    return tuple(sorted(classes))


def generations(folder: Path) -> list[int]:
    """Return the numbers of the manifests in a folder, ascending."""
    found = (_NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted(int(match[1]) for match in found if match)


def read_newest(folder: Path) -> Manifest:
    """Read the manifest of the highest generation; an older one never takes its place.

    Raises
    ------
    FileNotFoundError
        Where there is no folder, or no manifest in it.
    ValueError
        Where the manifest is damaged; it is named.
    """
    while True:
        numbers = generations(folder)
        if not numbers:
            raise FileNotFoundError(errno.ENOENT, "there is no manifest of an index in it", str(folder))
        path = folder / f"manifest-{numbers[-1]:06d}.json"
        try:
            return _parsed(_content(path), numbers[-1])
        except FileNotFoundError:
            # A writer has replaced it since the folder was listed.
            if generations(folder) == numbers:
                raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{os.fspath(path)!r} is not a readable manifest: {error}") from error


def write_next(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest that follows the one of `manifest.generation`, and return it with its number.

    Whoever calls this holds the folder's `WritableFolder`, whose `commit` does.

    Raises
    ------
    ValueError
        For fields that no manifest has, or where the folder holds another generation by now.
    """
    newest = max(generations(folder), default=0)
    if newest != manifest.generation:
        raise ValueError(
            f"{os.fspath(folder)!r} holds generation {newest}, and the change was made to generation "
            f"{manifest.generation}; read it again first"
        )
    written = replace(manifest, generation=manifest.generation + 1)
    text = _text(written)
    if len(text) > _MOST_BYTES:
        raise ValueError(
            f"a manifest of {len(text):,} bytes would be larger than {_MOST_BYTES:,}; write larger shards"
        )
    _parsed(text, written.generation)
    with atomic_file(folder / written.file_name) as unfinished:
        unfinished.write_bytes(text)
    return written


def _content(path: Path) -> bytes:
    file, size = open_regular_file(path)
    with open(file, "rb") as opened:
        if size > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
        return opened.read(size)


def _text(manifest: Manifest) -> bytes:
    fields = {
        "format": FORMAT,
        "contract": CONTRACT,
        "generation": manifest.generation,
        "dim": manifest.dim,
        "dtypes": {
            "codes": "float32",
            "ids": "int64" if manifest.own_ids else None,
            "labels": manifest.labels_dtype,
        },
        "rows": manifest.rows,
        "next_id": manifest.next_id,
        "classes": manifest.classes,
        "encoder": manifest.encoder,
        "shards": [asdict(shard) for shard in manifest.shards],
    }
    body = json.dumps(fields, indent=1, allow_nan=False).encode()
    return seal(_SEAL_PREFIX, b'",' + body.removeprefix(b"{") + b"\n")


def _parsed(text: bytes, generation: int) -> Manifest:
    # Only what has been compared with its digest is looked at.
    if not is_sealed(text, _SEAL_PREFIX):
        raise ValueError("it is not what was written")
    found = parse_json(text)
    found.pop("digest")
    if found.get("format") != FORMAT:
        raise ValueError(f"its format is {found.get('format')!r}, not {FORMAT!r}")
    if found.keys() != _FIELDS:
        raise ValueError(f"its fields are {sorted(found)}, not {sorted(_FIELDS)}")
    if found["contract"] != CONTRACT:
        raise ValueError(f"it was written for version {found['contract']!r} of the contract, not {CONTRACT}")
    if _whole(found, "generation", 1, _MOST_ID) != generation:
        raise ValueError(f"it says that it is generation {found['generation']}")
    dtypes = found["dtypes"]
    if dtypes["codes"] != "float32" or dtypes["ids"] not in ("int64", None) or dtypes.keys() != _DTYPES:
        raise ValueError(f"its dtypes are {dtypes}")
    if dtypes["labels"] is not None:
        labels_dtype(dtypes["labels"])
    rows = _whole(found, "rows", 0, _MOST_ROWS)
    dim = _whole(found, "dim", 1, MOST_DIM)
    return Manifest(
        dim=dim,
        shards=_shards(found["shards"], rows, dim),
        next_id=_whole(found, "next_id", rows, _MOST_ID),
        own_ids=dtypes["ids"] is not None,
        labels_dtype=dtypes["labels"],
        classes=_classes(found["classes"]),
        encoder=_encoder(found["encoder"]),
        generation=generation,
    )


def _whole(fields: dict[str, Any], name: str, least: int, most: int) -> int:
    value = fields[name]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"its {name} must be from {least} to {most}, and is {value!r}")
    return value


def _shards(found: Any, rows: int, dim: int) -> tuple[ShardEntry, ...]:
    shards = []
    first = 0
    for each in found:
        if each.keys() != _ENTRY_FIELDS:
            raise ValueError(f"the fields of a shard are {sorted(each)}")
        if not (isinstance(each["file"], str) and _SHARD_NAME.fullmatch(each["file"])):
            raise ValueError(f"{each['file']!r} is no name of a shard")
        if not is_digest(each["digest"]):
            raise ValueError(f"the digest of {each['file']} is {each['digest']!r}")
        _whole(each, "first", first, first)
        first += _whole(each, "rows", 0, MOST_ROWS)
        _whole(each, "bytes", 4 * dim * each["rows"], _MOST_ID)
        shards.append(ShardEntry(**each))
    if first != rows:
        raise ValueError(f"its shards have {first} rows together, not {rows}")
    if len({shard.file for shard in shards}) < len(shards):
        raise ValueError("a shard occurs twice")
    return tuple(shards)


def _classes(found: Any) -> tuple[Class, ...] | None:
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, (str, int, float)) for each in found):
        raise ValueError("its classes are no list of numbers and strings")
    if len(found) > MOST_CLASSES:
        raise ValueError(f"it lists {len(found)} classes, at most {MOST_CLASSES} are possible")
    return tuple(found)


def _encoder(found: Any) -> str | None:
    if found is not None and not isinstance(found, str):
        raise ValueError(f"its encoder is {found!r}")
    return found
