"""Measures of how well codes classify.

``evaluate`` measures codes that anything may have made and returns a ``CodeEvaluation``; ``measures`` holds
what that consists of. ``PairedTest`` compares two classifiers of the same items, and ``compare_runs`` several
runs.

``frechet_distance`` compares two sets of codes as distributions, as those of real and of generated images.

``run_experiment`` indexes the codes of an encoder, which it may train before, chooses the vote on held-out
training images and classifies the test set. The functions that it calls can be used alone. ``KNNAccuracy``
and ``SampleRecorder`` are Keras callbacks; TensorFlow is imported when they or ``generate_images`` are first
asked for.
"""

from typing import TYPE_CHECKING

from latentknn.classification.neighbours import Neighbours, find_neighbours
from latentknn.classification.vote import Vote
from latentknn.evaluation import measures
from latentknn.evaluation.accuracy import Accuracy
from latentknn.evaluation.choosing import CANDIDATES, VoteScore, best_vote, score_votes
from latentknn.evaluation.classification import Classification
from latentknn.evaluation.code_evaluation import CodeEvaluation, EvaluatedItems
from latentknn.evaluation.code_mixture import sample_like
from latentknn.evaluation.comparing import Answers, ComparedRuns, compare_runs
from latentknn.evaluation.evaluating import evaluate
from latentknn.evaluation.experiment import Experiment, classify_by_pixels, run_experiment
from latentknn.evaluation.measures.frechet import frechet_distance
from latentknn.evaluation.paired import PairedTest
from latentknn.evaluation.projection import project
from latentknn.evaluation.splitting import hold_out
from latentknn.evaluation.stages import Stage, Stopwatch
from latentknn.evaluation.summary import Comparison, compare_results
from latentknn.public_names import importing, listing

if TYPE_CHECKING:
    from latentknn.evaluation.knn_accuracy import KNNAccuracy
    from latentknn.evaluation.samples import SampleRecorder, generate_images

__all__ = [
    "CANDIDATES",
    "Accuracy",
    "Answers",
    "Classification",
    "CodeEvaluation",
    "ComparedRuns",
    "Comparison",
    "EvaluatedItems",
    "Experiment",
    "KNNAccuracy",
    "Neighbours",
    "PairedTest",
    "SampleRecorder",
    "Stage",
    "Stopwatch",
    "Vote",
    "VoteScore",
    "best_vote",
    "classify_by_pixels",
    "compare_results",
    "compare_runs",
    "evaluate",
    "find_neighbours",
    "frechet_distance",
    "generate_images",
    "hold_out",
    "measures",
    "project",
    "run_experiment",
    "sample_like",
    "score_votes",
]

# What needs TensorFlow is imported when it is first asked for.
__dir__ = listing(__all__)
__getattr__ = importing(
    __name__,
    {
        "KNNAccuracy": f"{__name__}.knn_accuracy",
        "SampleRecorder": f"{__name__}.samples",
        "generate_images": f"{__name__}.samples",
    },
)
