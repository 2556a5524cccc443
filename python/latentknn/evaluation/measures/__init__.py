"""The measures of an evaluation, one a file: its result, its definition and where that comes from."""

from latentknn.evaluation.measures.calibration import Calibration, CalibrationBin
from latentknn.evaluation.measures.confusion import ClassScore, ConfusedPair
from latentknn.evaluation.measures.duplicates import Duplicates
from latentknn.evaluation.measures.hubs import Hubs
from latentknn.evaluation.measures.label_errors import LabelErrors
from latentknn.evaluation.measures.outliers import Outliers
from latentknn.evaluation.measures.retrieval import Retrieval
from latentknn.public_names import listing

__all__ = [
    "Calibration",
    "CalibrationBin",
    "ClassScore",
    "ConfusedPair",
    "Duplicates",
    "Hubs",
    "LabelErrors",
    "Outliers",
    "Retrieval",
]

__dir__ = listing(__all__)
