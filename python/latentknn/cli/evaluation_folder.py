"""The folder of an evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

from latentknn.cli.output_folder import check_output_folder


class EvaluationFolder:
    """The names of all files of an evaluation.

    Parameters
    ----------
    path : Path
        Path of the folder, which need not exist.

    Attributes
    ----------
    results : Path
        Everything that was measured, for `CodeEvaluation.load` (JSON). It is written last.
    items : Path
        A line for each item (CSV).
    projector : Path
        Folder for TensorBoard's embedding projector, where it was asked for.
    atlas : Path
        File for Embedding Atlas, where it was asked for (Parquet).
    page : Path
        The page, where it was asked for (HTML).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results.json"
        self.items = path / "items.csv"
        self.projector = path / "tensorboard"
        self.atlas = path / "atlas.parquet"
        self.page = path / "page.html"

    def check(self, *, overwrite: bool) -> None:
        """Refuse a folder that cannot be used, without touching it; see `check_output_folder`."""
        check_output_folder(self.path, self.results, "evaluation", overwrite=overwrite)

    def prepare(self) -> None:
        """Make the folder, and remove the files of an earlier evaluation and no others."""
        self.path.mkdir(parents=True, exist_ok=True)
        for file in (self.results, self.items, self.atlas, self.page):
            file.unlink(missing_ok=True)
        if self.projector.exists():
            shutil.rmtree(self.projector)
