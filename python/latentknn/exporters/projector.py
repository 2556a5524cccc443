"""Files for TensorBoard's embedding projector."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from latentknn.atomic_file import atomic_file
from latentknn.exporters.code_table import Cell, CodeTable

_CONFIGURATION = """\
embeddings {
  tensor_name: "codes"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write_projector(table: CodeTable, folder: str | os.PathLike[str]) -> None:
    """Write ``vectors.tsv``, ``metadata.tsv`` and ``projector_config.pbtxt``.

    ``tensorboard --logdir FOLDER`` shows them, and https://projector.tensorflow.org loads the two tables.

    Parameters
    ----------
    table : CodeTable
        Codes and columns. Tabs and ends of lines in a text become spaces, as the format has no way to hold
        them.
    folder : path
        Folder of the files, which is made if it does not exist.

    Raises
    ------
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import latentknn as lk
    >>> codes, labels = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ["east", "east", "north"]
    >>> evaluation = lk.evaluation.evaluate(codes, labels)
    >>> table = lk.exporters.CodeTable.of(evaluation, codes, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lk.exporters.write_projector(table, folder)
    ...     sorted(os.listdir(folder))
    ['metadata.tsv', 'projector_config.pbtxt', 'vectors.tsv']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / "vectors.tsv") as unfinished:
        # Nine digits tell every float32 from its neighbours.
        np.savetxt(unfinished, table.codes, fmt="%.9g", delimiter="\t")
    with atomic_file(folder / "metadata.tsv") as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(_line(table.columns))
        file.writelines(_line(row) for row in zip(*table.columns.values(), strict=True))
    with atomic_file(folder / "projector_config.pbtxt") as unfinished:
        unfinished.write_text(_CONFIGURATION, encoding="utf-8")


def _line(cells: Iterable[Cell]) -> str:
    return "\t".join("" if cell is None else " ".join(str(cell).split()) for cell in cells) + "\n"
