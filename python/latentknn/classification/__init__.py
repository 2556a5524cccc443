"""Classification by the votes of nearest neighbours.

`neighbours` finds the neighbours of a batch of queries, and `vote` holds the rule by which they decide on a
class. The two classifiers are estimators of scikit-learn; their base class is in `base`. `searching` is what
estimators with an index share, `CosineNeighbors` and `CosineKNNRegressor` among them. `answering` is what
`CosineKNNClassifier` answers, also that a query is of no class, by `thresholds`.
"""

from latentknn.classification.class_conditional import ClassConditionalKNNClassifier
from latentknn.classification.classifier import CosineKNNClassifier
from latentknn.classification.cosine_neighbors import CosineNeighbors
from latentknn.classification.neighbours import Neighbours, find_neighbours
from latentknn.classification.prediction_explanation import PredictionExplanation
from latentknn.classification.regressor import CosineKNNRegressor
from latentknn.classification.thresholds import ThresholdCalibration, ThresholdCurve
from latentknn.classification.vote import WEIGHTS, Vote
from latentknn.public_names import listing

__all__ = [
    "WEIGHTS",
    "ClassConditionalKNNClassifier",
    "CosineKNNClassifier",
    "CosineKNNRegressor",
    "CosineNeighbors",
    "Neighbours",
    "PredictionExplanation",
    "ThresholdCalibration",
    "ThresholdCurve",
    "Vote",
    "find_neighbours",
]

__dir__ = listing(__all__)

# Pickles name this module, so that files can move within the package.
for _pickled in (
    ClassConditionalKNNClassifier,
    CosineKNNClassifier,
    CosineKNNRegressor,
    CosineNeighbors,
    Neighbours,
    PredictionExplanation,
    ThresholdCalibration,
    ThresholdCurve,
    Vote,
):
    _pickled.__module__ = __name__
