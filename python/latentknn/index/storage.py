"""Index files: safetensors, written beside the target and renamed into place.

Source: https://github.com/huggingface/safetensors, a plain tensor format without executable content.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.atomic_file import atomic_file
from latentknn.index.labelled_rows import LabelledRows

_FORMAT = "latentknn index 1"


def write_index(path: str | os.PathLike[str], codes: NDArray[np.float32], rows: LabelledRows) -> None:
    """Write an index file atomically: a failure leaves the old file, or none, in place."""
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {"codes": codes}
    metadata = {"format": _FORMAT, "next_id": str(rows.next_id)}
    if rows.own_ids is not None:
        tensors["ids"] = rows.own_ids
    if rows.labels is not None:
        tensors["labels"] = _encode_labels(rows.labels)
        metadata["labels_dtype"] = rows.labels.dtype.str
    with atomic_file(Path(path)) as unfinished:
        save_file(tensors, unfinished, metadata=metadata)


def read_index(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], LabelledRows]:
    """Return the codes of an index file and what belongs to them; ids may still be there twice.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is damaged or something else; it is named.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no index file at {os.fspath(path)!r}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _checked(tensors, metadata)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a readable index file: {error}") from error


def _checked(
    tensors: dict[str, NDArray[Any]], metadata: dict[str, str]
) -> tuple[NDArray[np.float32], LabelledRows]:
    if metadata.get("format") != _FORMAT:
        raise ValueError(f"its format is {metadata.get('format')!r}, not {_FORMAT!r}")
    codes, ids, labels = tensors["codes"], tensors.get("ids"), tensors.get("labels")
    if codes.dtype != np.float32 or codes.ndim != 2 or codes.shape[1] == 0:
        raise ValueError(f"its codes have dtype {codes.dtype} and shape {codes.shape}")
    if ids is not None and (ids.dtype != np.int64 or ids.shape != codes.shape[:1]):
        raise ValueError(f"its ids have dtype {ids.dtype} and shape {ids.shape}")
    if labels is not None:
        labels = _decode_labels(labels, np.dtype(metadata["labels_dtype"]))
        if labels.shape != codes.shape[:1]:
            raise ValueError(f"its labels have shape {labels.shape}")
    next_id = int(metadata["next_id"])
    if next_id < 0:
        raise ValueError(f"its next id is {next_id}")
    return codes, LabelledRows(len(codes), labels, ids, next_id)


def _encode_labels(labels: NDArray[Any]) -> NDArray[Any]:
    if labels.dtype.kind not in "US" and (labels.dtype.kind not in "biuf" or labels.dtype.itemsize > 8):
        raise TypeError(
            f"only labels that are numbers or strings can be saved, received dtype {labels.dtype}"
        )
    if labels.dtype.kind in "biuf":
        return np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("="))
    # safetensors has no strings; their bytes become a matrix of one row a label.
    width = max(labels.dtype.itemsize, 1)
    return np.ascontiguousarray(labels).view(np.uint8).reshape(len(labels), width)


def _decode_labels(stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind in "US":
        return stored.reshape(-1).view(dtype)
    return stored.astype(dtype)
