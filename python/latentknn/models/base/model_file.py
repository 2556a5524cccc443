"""Model files: what Keras writes, with digests, and what is checked before Keras reads it.

A ``.keras`` file is a zip archive of two JSON texts and of the weights in HDF5. `add_digests` writes the size
and the BLAKE3 digest of each into the comment of the archive, which Keras does not look at; files of version
0.1 have none. `check_model_file` compares them, and refuses what would take much memory: entries that unpack
to far more than the file has, and arrays that claim more than the entry that holds the weights.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import h5py
from blake3 import blake3

from latentknn.files.digests import is_sealed, seal
from latentknn.files.header import parse_json

_WEIGHTS = "model.weights.h5"
_NAMES = {"metadata.json", "config.json", _WEIGHTS}
_FORMAT = "latentknn model 1"
_SEAL_PREFIX = b'{"digest":"'

# An optimizer that has not been used holds zeros, two of three numbers; other weights hardly become smaller.
_MOST_UNPACKED = 32
_MOST_TEXT_BYTES = 1 << 24
_MOST_OBJECTS = 100_000
_READ_BYTES = 1 << 20


def add_digests(path: Path) -> None:
    """Write digests of its entries into a file that Keras has written."""
    with zipfile.ZipFile(path, "a") as archive:
        files = {
            entry.filename: {"bytes": entry.file_size, "digest": _digest(archive, entry)}
            for entry in archive.infolist()
        }
        body = json.dumps({"format": _FORMAT, "files": files}).encode()
        archive.comment = seal(_SEAL_PREFIX, b'",' + body.removeprefix(b"{"))


def check_model_file(path: Path) -> None:
    """Refuse a file that is no whole ``.keras`` file, or whose contents are larger than they can be.

    Raises
    ------
    OSError
        Where the file cannot be read.
    ValueError
        Where it is damaged, or claims more than it can hold.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = _sized_entries(archive, size)
                digests = {name: _digest(archive, entry) for name, entry in entries.items()}
                if archive.comment:
                    _compare(archive.comment, entries, digests)
                with archive.open(_WEIGHTS) as weights:
                    _check_arrays(weights, entries[_WEIGHTS].file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"it is no whole archive: {error}") from error


def _sized_entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name; ValueError where there are others, or they unpack to too much."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if entries.keys() != _NAMES or len(archive.infolist()) != len(_NAMES):
        raise ValueError(f"it holds {sorted(entries)[:5]}, and a model {sorted(_NAMES)}")
    for name, entry in entries.items():
        most = _MOST_UNPACKED * size + _READ_BYTES if name == _WEIGHTS else _MOST_TEXT_BYTES
        if not 0 <= entry.header_offset < size:
            raise ValueError(f"{name} begins at byte {entry.header_offset}, outside of the file")
        if entry.file_size > most:
            raise ValueError(
                f"{name} unpacks to {entry.file_size:,} bytes, which a file of {size:,} bytes should not hold"
            )
    return entries


def _digest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """Return the digest of an entry; ValueError where it is not as long as it says."""
    hasher = blake3()
    count = 0
    with archive.open(entry) as file:
        while batch := file.read(_READ_BYTES):
            count += len(batch)
            hasher.update(batch)
    if count != entry.file_size:
        raise ValueError(f"{entry.filename} has {count:,} bytes, expected {entry.file_size:,}")
    return hasher.hexdigest()


def _compare(comment: bytes, entries: dict[str, zipfile.ZipInfo], digests: dict[str, str]) -> None:
    if not is_sealed(comment, _SEAL_PREFIX):
        raise ValueError("its digests are not what was written")
    found = parse_json(comment)
    files = {name: {"bytes": entries[name].file_size, "digest": digest} for name, digest in digests.items()}
    if found.get("format") != _FORMAT:
        raise ValueError(f"its format is {found.get('format')!r}, not {_FORMAT!r}")
    for name, described in files.items():
        if found["files"].get(name) != described:
            raise ValueError(f"{name} is not what was written")


def _check_arrays(weights: IO[bytes], size: int) -> None:
    """Refuse arrays that have not all their numbers in the file of `size` bytes, and links out of it."""
    try:
        with h5py.File(weights, "r") as file:
            _check_group(file, size)
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{_WEIGHTS} is no whole HDF5 file: {error}") from error


def _check_group(file: h5py.File, size: int) -> None:
    groups: list[Any] = [file]
    count = claimed = 0
    while groups:
        group = groups.pop()
        for name in group:
            count += 1
            if count > _MOST_OBJECTS or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{_WEIGHTS} has links, or more arrays than a model")
            found = group[name]
            if not isinstance(found, h5py.Dataset):
                groups.append(found)
                continue
            # The numbers of a plain array stand in the file one by one.
            if found.is_virtual or found.external or found.chunks is not None:
                raise ValueError(f"{found.name} of {_WEIGHTS} is no plain array")
            claimed += found.nbytes
            if claimed > size:
                raise ValueError(f"the arrays of {_WEIGHTS} claim more than its {size:,} bytes")
