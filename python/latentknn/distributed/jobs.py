"""Encoding and classifying files, and joining an index with itself, by all nodes of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.arrays import as_rows
from latentknn.distributed.calls import Calls
from latentknn.distributed.index import DistributedIndex
from latentknn.distributed.joining import ids_of_rows, nearest_others, similar_others
from latentknn.distributed.tables import column_values, list_column, read_table, with_column, write_table
from latentknn.distributed.tasks import Progress, Task, described, input_files, run_job
from latentknn.encoders import as_encoder
from latentknn.files.digests import digest_of
from latentknn.index import SearchResult
from latentknn.index.counts import neighbour_count

if TYPE_CHECKING:
    # Workers import this package, and need no scikit-learn.
    from latentknn.classification import CosineKNNClassifier

Inputs = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Report = Callable[[Progress], None]

_JOIN_ROWS = 16_384
"""Codes of one file of a join."""

_SECONDS = 3600.0
"""Time that the codes of one file may take."""


def encode(
    encoder: Any,
    inputs: Inputs,
    output: str | os.PathLike[str],
    *,
    items: str = "items",
    progress: Report | None = None,
    address: str = "auto",
) -> None:
    """Encode the items of Parquet files, one task a file.

    Parameters
    ----------
    encoder
        Whatever `latentknn.encoders.as_encoder` takes, and pickle.
    inputs : str, path or sequence of them
        Patterns or names of Parquet files, each of which fits into memory.
    output : str or path
        A folder that every node sees. A file of each input's name has its columns, but for `items`, and the
        codes as ``codes``; `latentknn.shards.Writer.extend` reads it.
    items : str
        The column of the items: lists of numbers, numbers or strings.
    progress : callable, optional
        Is given a `Progress` after every file.
    address : str
        The cluster; see `start`.

    Raises
    ------
    ConnectionError
        Where there is no cluster.
    FileNotFoundError
        Where no file is named.
    RuntimeError
        Where a file cannot be read, encoded or written; it is named. Files that were finished stay.
    ValueError
        For a folder of another job, or inputs of one name.

    Notes
    -----
    A job that is begun again, after whatever ended it, writes the files that are missing: those that were
    under way are done anew. The same encoder and inputs give the same bytes, if the encoder does.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> parquet.write_table(pa.table({"items": [[1.0, 0.0], [0.0, 2.0]]}), f"{folder}/a.parquet")
    >>> output = os.path.join(folder, "codes")
    >>> lk.distributed.encode(lambda items: 2 * items, f"{folder}/*.parquet", output, address="local")
    >>> parquet.read_table(f"{output}/a.parquet")["codes"].to_pylist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    files = input_files(inputs)
    settings = {"job": "encode", "items": items, "inputs": [described(path) for path in files]}
    tasks = [Task(path.name, (str(path), items)) for path in files]
    run_job(output, settings, tasks, _encode_file, [as_encoder(encoder)], progress, address)


def classify(
    classifier: CosineKNNClassifier,
    inputs: Inputs,
    output: str | os.PathLike[str],
    *,
    codes: str = "codes",
    progress: Report | None = None,
    address: str = "auto",
) -> None:
    """Classify the codes of Parquet files, one task a file.

    Parameters
    ----------
    classifier : CosineKNNClassifier
        Fitted, or `from_index` of an index: that of a cluster is asked by the tasks, as long as its
        generation is served.
    inputs, output, progress, address
        See `encode`. A file of the output has the columns of its input, but for `codes`, and the class as
        ``label``.
    codes : str
        The column of the codes, lists of numbers.

    Raises
    ------
    ConnectionError, FileNotFoundError, RuntimeError, ValueError
        See `encode`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> parquet.write_table(pa.table({"codes": [[3.0, 1.0], [1.0, 3.0]]}), f"{folder}/a.parquet")
    >>> classifier = lk.CosineKNNClassifier(1).fit([[1.0, 0.0], [0.0, 2.0]], ["right", "up"])
    >>> output = os.path.join(folder, "classes")
    >>> lk.distributed.classify(classifier, f"{folder}/*.parquet", output, address="local")
    >>> parquet.read_table(f"{output}/a.parquet")["label"].to_pylist()
    ['right', 'up']
    """
    if callable(classifier.weights):
        raise ValueError(
            "a job is told from others by its settings, so that weights must be a name, no function"
        )
    if isinstance(classifier.classes_, list):
        raise ValueError("a job writes one label a code, and the classifier was fitted with several")
    files = input_files(inputs)
    settings = {
        "job": "classify",
        "codes": codes,
        "voters": classifier.n_neighbors,
        "weights": classifier.weights,
        "temperature": classifier.temperature,
        "index": _digests_of(classifier.index_),
        "classes": _digest_of_classes(classifier),
        "inputs": [described(path) for path in files],
    }
    tasks = [Task(path.name, (str(path), codes)) for path in files]
    run_job(output, settings, tasks, _classify_file, [classifier], progress, address)


def self_join(
    index: DistributedIndex,
    output: str | os.PathLike[str],
    *,
    k: int | None = None,
    similarity: float | None = None,
    progress: Report | None = None,
) -> None:
    """Write the neighbours of every code of an index among the others, one task for some thousand codes.

    Parameters
    ----------
    index : DistributedIndex
    output : str or path
        A folder that every node sees. Its Parquet files have, in order of position, the columns ``id``,
        ``neighbours`` (ids, best first) and ``similarities``.
    k : int, optional
        Neighbours of each code.
    similarity : float, optional
        Or all neighbours whose float64 similarity is at least this.
    progress : callable, optional
        Is given a `Progress` after every file.

    Raises
    ------
    RuntimeError
        Where a file cannot be written, or another generation of the index is published meanwhile; the file is
        named. Files that were finished stay, as for `encode`.
    ValueError
        For neither or both of `k` and `similarity`, one out of range, or a folder of another job.

    Examples
    --------
    >>> import os, tempfile
    >>> from glob import glob
    >>> from pyarrow import parquet
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(os.path.join(folder, "db"), dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(os.path.join(folder, "db")) as index:
    ...     lk.distributed.self_join(index, os.path.join(folder, "pairs"), k=1)
    >>> (file,) = glob(os.path.join(folder, "pairs", "*.parquet"))
    >>> parquet.read_table(file)["neighbours"].to_pylist()
    [[1], [0], [1]]
    """
    # The files of a job are of one generation, or it ends.
    index = index.pinned()
    if (k is None) == (similarity is None):
        raise ValueError(f"give k or similarity, and not both; received k = {k}, similarity = {similarity}")
    if k is not None:
        k = neighbour_count(k, len(index) - 1, "other codes in the index")
    elif not -1.0 <= float(similarity or 0.0) <= 1.0:
        raise ValueError(f"similarity must be from -1 to 1, received {similarity}")
    settings = {"job": "self_join", "k": k, "similarity": similarity, "index": _digests_of(index)}
    tasks = [
        Task(f"join-{number:06d}-{begin:012d}.parquet", (number, begin, k, similarity))
        for number, entry in enumerate(index._serving.manifest.shards)
        for begin in range(0, entry.rows, _JOIN_ROWS)
    ]
    run_job(output, settings, tasks, _join_rows, [index], progress, "auto")


def _digests_of(index: Any) -> list[str]:
    """Return by what the codes of an index are told from others: the digests of its shards, or its own."""
    if isinstance(index, DistributedIndex):
        return [entry.digest for entry in index._serving.manifest.shards]
    return [digest_of(_bytes_of(index.codes), _bytes_of(index.ids)).hex()]


def _digest_of_classes(classifier: CosineKNNClassifier) -> str:
    """Return by what the labels of a classifier are told from others."""
    assert not isinstance(classifier.classes_, list)
    names = "\n".join(map(repr, classifier.classes_.tolist()))
    counts = [] if classifier._counts is None else [_bytes_of(classifier._counts)]
    return digest_of(names.encode(), _bytes_of(classifier._class_of_row), *counts).hex()


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B")


def _encode_file(unfinished: Path, encoder: Any, source: str, items: str) -> None:
    table = read_table(source)
    codes = np.asarray(encoder.encode(column_values(table, items, source)))
    write_table(unfinished, with_column(table, items, "codes", as_rows(codes, "codes")))


def _classify_file(unfinished: Path, classifier: Any, source: str, codes: str) -> None:
    table = read_table(source)
    labels = classifier.predict(column_values(table, codes, source))
    write_table(unfinished, with_column(table, codes, "label", labels))


def _join_rows(
    unfinished: Path,
    index: DistributedIndex,
    number: int,
    begin: int,
    k: int | None,
    similarity: float | None,
) -> None:
    rows = slice(begin, begin + _JOIN_ROWS)

    def answer(calls: Calls) -> tuple[NDArray[np.int64], list[SearchResult]]:
        ids = ids_of_rows(calls, number, rows)
        if similarity is None:
            return ids, nearest_others(calls, number, rows, k or 0)
        return ids, similar_others(calls, number, rows, float(similarity))

    ids, found = index._answered(_SECONDS, answer)
    columns = {
        "id": ids,
        "neighbours": list_column([each.ids for each in found], np.int64),
        "similarities": list_column([each.similarities for each in found], np.float32),
    }
    write_table(unfinished, columns)
