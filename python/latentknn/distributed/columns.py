"""Ids, labels and classes, which are with the shards."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentknn.distributed.calls import Calls
from latentknn.labels import join_labels


def fetch_ids(calls: Calls) -> NDArray[np.int64]:
    """Return all ids, in order of position."""
    if not calls.serving.manifest.own_ids:
        return np.arange(calls.serving.manifest.rows, dtype=np.int64)
    return np.concatenate(_columns(calls, "ids"))


def fetch_labels(calls: Calls) -> NDArray[Any] | None:
    """Return all labels, in order of position, or None."""
    found = [each for each in _columns(calls, "labels") if each is not None]
    return reduce(join_labels, found) if len({each.dtype for each in found}) > 1 else _joined(found)


def class_counts(calls: Calls) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the distinct labels, sorted, and how many codes have each.

    Raises
    ------
    ValueError
        Where the index has no labels.
    """
    groups = range(len(calls.serving.groups))
    replies = calls.ask("class_counts", dict.fromkeys(groups, ()))
    found = [replies[group].content for group in groups if replies[group].content is not None]
    if not found:
        raise ValueError("the index has no labels; write its shards with labels=")
    labels, counts = (np.concatenate(part) for part in zip(*found, strict=True))
    classes, of_label = np.unique(labels, return_inverse=True)
    totals = np.zeros(len(classes), np.int64)
    np.add.at(totals, of_label, counts)
    return classes, totals


def _joined(found: list[NDArray[Any]]) -> NDArray[Any] | None:
    return np.concatenate(found) if found else None


def _columns(calls: Calls, method: str) -> list[Any]:
    """Return what the workers have of each shard with codes, in the order of the shards."""
    serving = calls.serving
    replies = calls.ask(method, dict.fromkeys(range(len(serving.groups)), ()))
    of_shard: dict[int, Any] = {}
    for group, reply in replies.items():
        of_shard.update(zip(serving.groups[group], reply.content, strict=True))
    return [of_shard[number] for number, entry in enumerate(serving.manifest.shards) if entry.rows > 0]
