"""The names of all files of a run."""

import shutil
from os import PathLike
from pathlib import Path


class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    path : path
        Path of the folder, which need not exist.

    Attributes
    ----------
    settings : Path
        The settings of the run, written before the training begins (JSON).
    checkpoint : Path
        Folder of the training's state, from which the training can be resumed.
    encoder : Path
        The trained model, for `latentknn.models.load`.
    index : Path
        The codes of all training images with their labels, for `CosineIndex.load`.
    test_codes : Path
        Codes, labels and predictions of the test images (safetensors).
    record : Path
        All measurements (JSON).
    classification_report : Path
        Precision, recall, F1 and support of every class (text).
    confusion_matrix, losses, reconstructions, codes, interpolation, samples, code_map, decoded_map : Path
        Pictures (PNG); some models lack some of them.
    epochs : Path
        Folder of pictures of what the model rebuilt and generated after every epoch (PNG).
    page : Path
        The page that shows the results (HTML).
    whole_page : Path
        The page of the test items that holds everything it shows, where it was asked for (HTML).

    Examples
    --------
    >>> import tempfile
    >>> from latentknn.report import RunFolder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     RunFolder(folder).path.name in folder
    True
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.settings = self.path / "settings.json"
        self.checkpoint = self.path / "checkpoint"
        self.encoder = self.path / "encoder.keras"
        self.index = self.path / "index.safetensors"
        self.test_codes = self.path / "test_codes.safetensors"
        self.record = self.path / "report.json"
        self.classification_report = self.path / "classification_report.txt"
        self.confusion_matrix = self.path / "confusion_matrix.png"
        self.losses = self.path / "losses.png"
        self.reconstructions = self.path / "reconstructions.png"
        self.codes = self.path / "codes.png"
        self.interpolation = self.path / "interpolation.png"
        self.samples = self.path / "samples.png"
        self.code_map = self.path / "code_map.png"
        self.decoded_map = self.path / "decoded_map.png"
        self.epochs = self.path / "epochs"
        self.page = self.path / "index.html"
        self.whole_page = self.path / "page.html"

    def is_empty(self) -> bool:
        """Return whether the folder is missing or holds nothing."""
        return not self.path.exists() or not any(self.path.iterdir())

    def clear(self) -> None:
        """Remove the files of a run, and no others."""
        for path in (
            self.settings,
            self.encoder,
            self.index,
            self.test_codes,
            self.record,
            self.classification_report,
            self.confusion_matrix,
            self.losses,
            self.reconstructions,
            self.codes,
            self.interpolation,
            self.samples,
            self.code_map,
            self.decoded_map,
            self.page,
            self.whole_page,
        ):
            path.unlink(missing_ok=True)
        for folder in (self.checkpoint, self.epochs):
            if folder.exists():
                shutil.rmtree(folder)
